//! One family of a chain, whatever its type, and one draw of it.

use std::any::{Any, type_name};
use std::fmt::{self, Debug};

use rand::Rng;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Context, Draw, Family, Slot, View};

/// A family that may join a chain; every family with these traits is one.
#[diagnostic::on_unimplemented(
    note = "a family of a chain is `Clone`, `Debug`, `PartialEq`, `Send`, `Sync`, `Serialize` and \
            `DeserializeOwned`, and its draws are `Send` and `Sync`"
)]
pub trait ChainFamily<X: View>:
    Family<X, Draw: Send + Sync + 'static>
    + Clone
    + Debug
    + PartialEq
    + DeserializeOwned
    + Serialize
    + Send
    + Sync
    + 'static
{
}

impl<X: View, F> ChainFamily<X> for F where
    F: Family<X, Draw: Send + Sync + 'static>
        + Clone
        + Debug
        + PartialEq
        + DeserializeOwned
        + Serialize
        + Send
        + Sync
        + 'static
{
}

/// A family of transformations of `X` under its key in a recipe.
pub struct Link<X: View> {
    key: &'static str,
    family: Box<dyn ErasedFamily<X>>,
}

impl<X: View> Link<X> {
    /// The settings `family`, in a recipe the table `key`.
    pub fn new<F: ChainFamily<X>>(key: &'static str, family: F) -> Self {
        Self { key, family: Box::new(family) }
    }

    /// The name of the family's table in a recipe.
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// How many numbers of the parameter vector a draw fills.
    pub fn n_slots(&self) -> usize {
        self.family.n_slots()
    }

    /// What those numbers are, in order.
    pub fn slots(&self, context: &Context<X::Size>) -> Vec<Slot> {
        self.family.slots(context)
    }

    /// Draws a transformation without seeing a view; equal streams give equal draws.
    pub fn draw(&self, context: &Context<X::Size>, rng: &mut dyn Rng) -> AnyDraw<X> {
        AnyDraw(self.family.draw(context, rng))
    }

    /// The draw that changes nothing.
    pub fn identity(&self) -> AnyDraw<X> {
        AnyDraw(self.family.identity())
    }

    /// The settings, if they are an `F`.
    pub fn get<F: 'static>(&self) -> Option<&F> {
        (&*self.family as &dyn Any).downcast_ref()
    }

    /// The settings, if they are an `F`.
    pub fn get_mut<F: 'static>(&mut self) -> Option<&mut F> {
        (&mut *self.family as &mut dyn Any).downcast_mut()
    }

    /// The link with the settings that the specification names.
    pub(crate) fn spec(&self) -> Self {
        Self { key: self.key, family: self.family.spec() }
    }

    /// The settings, to be written.
    pub(crate) fn settings(&self) -> &dyn erased_serde::Serialize {
        &*self.family
    }

    /// Replaces the settings by what `table` holds; its errors have one line.
    pub(crate) fn read(
        &mut self,
        table: &mut dyn erased_serde::Deserializer<'_>,
    ) -> Result<(), String> {
        let first_line = |error: erased_serde::Error| {
            // Parsers repeat the path of the key on further lines each time an error passes them.
            error.to_string().lines().next().unwrap_or_default().to_owned()
        };
        self.family.read(table).map_err(first_line)
    }
}

impl<X: View> Clone for Link<X> {
    fn clone(&self) -> Self {
        Self { key: self.key, family: self.family.boxed() }
    }
}

impl<X: View> Debug for Link<X> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {:?}", self.key, self.family)
    }
}

impl<X: View> PartialEq for Link<X> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.family.equals(&*other.family)
    }
}

/// One transformation of `X` of a family of any type.
pub struct AnyDraw<X: View>(Box<dyn ErasedDraw<X>>);

impl<X: View> AnyDraw<X> {
    /// As [`Draw::apply`].
    pub fn apply(&self, context: &Context<X::Size>, view: X) -> X {
        self.0.apply(context, view)
    }

    /// As [`Draw::apply_to`].
    pub fn apply_to(&self, context: &Context<X::Size>, view: &X) -> X {
        self.0.apply_to(context, view)
    }

    /// As [`Draw::carry`].
    pub fn carry(&self, context: &Context<X::Size>, marks: X) -> X {
        self.0.carry(context, marks)
    }

    /// As [`Draw::encode`].
    pub fn encode(&self, context: &Context<X::Size>, vector: &mut Vec<f32>) {
        self.0.encode(context, vector);
    }

    /// The drawn values, if they are a `D`.
    pub fn get<D: 'static>(&self) -> Option<&D> {
        (&*self.0 as &dyn Any).downcast_ref()
    }

    /// The drawn values, if they are a `D`.
    pub fn get_mut<D: 'static>(&mut self) -> Option<&mut D> {
        (&mut *self.0 as &mut dyn Any).downcast_mut()
    }
}

impl<X: View> Clone for AnyDraw<X> {
    fn clone(&self) -> Self {
        Self(self.0.boxed())
    }
}

impl<X: View> Debug for AnyDraw<X> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl<X: View> PartialEq for AnyDraw<X> {
    fn eq(&self, other: &Self) -> bool {
        self.0.equals(&*other.0)
    }
}

/// What a panic says of a type that a chain does not hold.
pub(super) fn short_name<T>() -> &'static str {
    let name = type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}

/// [`ChainFamily`] as an object.
trait ErasedFamily<X: View>: Any + Debug + Send + Sync + erased_serde::Serialize {
    fn n_slots(&self) -> usize;
    fn slots(&self, context: &Context<X::Size>) -> Vec<Slot>;
    fn draw(&self, context: &Context<X::Size>, rng: &mut dyn Rng) -> Box<dyn ErasedDraw<X>>;
    fn identity(&self) -> Box<dyn ErasedDraw<X>>;
    fn spec(&self) -> Box<dyn ErasedFamily<X>>;
    fn boxed(&self) -> Box<dyn ErasedFamily<X>>;
    fn equals(&self, other: &dyn Any) -> bool;
    fn read(
        &mut self,
        table: &mut dyn erased_serde::Deserializer<'_>,
    ) -> Result<(), erased_serde::Error>;
}

impl<X: View, F: ChainFamily<X>> ErasedFamily<X> for F {
    fn n_slots(&self) -> usize {
        F::SLOTS
    }

    fn slots(&self, context: &Context<X::Size>) -> Vec<Slot> {
        Family::slots(self, context)
    }

    fn draw(&self, context: &Context<X::Size>, mut rng: &mut dyn Rng) -> Box<dyn ErasedDraw<X>> {
        Box::new(Family::draw(self, context, &mut rng))
    }

    fn identity(&self) -> Box<dyn ErasedDraw<X>> {
        Box::<F::Draw>::default()
    }

    fn spec(&self) -> Box<dyn ErasedFamily<X>> {
        Box::new(<F as crate::Setting>::spec())
    }

    fn boxed(&self) -> Box<dyn ErasedFamily<X>> {
        Box::new(self.clone())
    }

    fn equals(&self, other: &dyn Any) -> bool {
        other.downcast_ref() == Some(self)
    }

    fn read(
        &mut self,
        table: &mut dyn erased_serde::Deserializer<'_>,
    ) -> Result<(), erased_serde::Error> {
        *self = erased_serde::deserialize(table)?;
        Ok(())
    }
}

/// [`Draw`] as an object.
trait ErasedDraw<X: View>: Any + Debug + Send + Sync {
    fn apply(&self, context: &Context<X::Size>, view: X) -> X;
    fn apply_to(&self, context: &Context<X::Size>, view: &X) -> X;
    fn carry(&self, context: &Context<X::Size>, marks: X) -> X;
    fn encode(&self, context: &Context<X::Size>, vector: &mut Vec<f32>);
    fn boxed(&self) -> Box<dyn ErasedDraw<X>>;
    fn equals(&self, other: &dyn Any) -> bool;
}

impl<X: View, D: Draw<X> + Send + Sync + 'static> ErasedDraw<X> for D {
    fn apply(&self, context: &Context<X::Size>, view: X) -> X {
        Draw::apply(self, context, view)
    }

    fn apply_to(&self, context: &Context<X::Size>, view: &X) -> X {
        Draw::apply_to(self, context, view)
    }

    fn carry(&self, context: &Context<X::Size>, marks: X) -> X {
        Draw::carry(self, context, marks)
    }

    fn encode(&self, context: &Context<X::Size>, vector: &mut Vec<f32>) {
        Draw::encode(self, context, vector);
    }

    fn boxed(&self) -> Box<dyn ErasedDraw<X>> {
        Box::new(self.clone())
    }

    fn equals(&self, other: &dyn Any) -> bool {
        other.downcast_ref() == Some(self)
    }
}
