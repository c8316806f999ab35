//! Declares a chain of families once: settings, draw, order of action and order of slots.
//!
//! A chain is a *ladder*: a parameter vector of length `P` holds the slots of the first families up
//! to `P`, and a family beyond that is not drawn, does not act and is not encoded.

/// Makes a chain's struct of settings, the struct of one draw, and what both do.
///
/// `common` families act on the plain and the augmented view alike and have no slots; `augmented`
/// ones act on the augmented view only, in the order in which they stand, which is also the order
/// of their slots.
macro_rules! chain {
    (
        $(#[$meta:meta])*
        pub struct $Augment:ident, drawn as $Draw:ident, of $View:ident, as long as $Vector:ident;
        lengths of $modality:ident { $first:ident = $first_length:literal, $($Length:ident = $length:literal,)+ }
        spec $Spec:ident;
        common { $($(#[$common_meta:meta])* $common:ident: $Common:ty,)* }
        augmented { $($(#[$field_meta:meta])* $field:ident: $Family:ty,)+ }
    ) => {
        /// How long the parameter vector is: which families of the ladder there are.
        #[derive(
            Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd,
            serde::Deserialize, serde::Serialize,
        )]
        #[serde(try_from = "usize", into = "usize")]
        pub enum $Vector {
            #[doc = concat!(stringify!($first_length), " numbers.")]
            $first,
            $(#[doc = concat!(stringify!($length), " numbers.")] $Length,)+
        }

        impl $Vector {
            /// Every length, shortest first.
            pub const ALL: &'static [Self] = &[Self::$first, $(Self::$Length),+];

            /// How many numbers the vector has.
            pub fn length(self) -> usize {
                match self { Self::$first => $first_length, $(Self::$Length => $length),+ }
            }
        }

        impl $crate::Setting for $Vector {
            fn spec() -> Self {
                Self::$Spec
            }
        }

        impl TryFrom<usize> for $Vector {
            type Error = $crate::SettingError;

            fn try_from(length: usize) -> Result<Self, Self::Error> {
                let found = Self::ALL.iter().find(|choice| choice.length() == length);
                found.copied().ok_or_else(|| $crate::SettingError::Length {
                    length,
                    modality: $crate::Modality::$modality,
                    choices: Self::ALL.iter().map(|choice| choice.length().to_string())
                        .collect::<Vec<_>>().join(", "),
                })
            }
        }

        impl From<$Vector> for usize {
            fn from(vector: $Vector) -> usize {
                vector.length()
            }
        }

        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
        #[serde(deny_unknown_fields)]
        pub struct $Augment {
            /// Whether the published behaviour is wanted or the corrected one.
            #[serde(default)]
            pub profile: $crate::Profile,
            /// How long the parameter vector is; a family beyond its end is not drawn.
            #[serde(default = "crate::Setting::spec")]
            pub vector: $Vector,
            $($(#[$common_meta])* #[serde(default = "crate::Setting::spec")] pub $common: $Common,)*
            $($(#[$field_meta])* #[serde(default = "crate::Setting::spec")] pub $field: $Family,)+
        }

        #[doc = concat!("One draw of [`", stringify!($Augment), "`], with nothing left to chance.")]
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Draw {
            context: $crate::Context<<$View as $crate::View>::Size>,
            vector: $Vector,
            $($(#[$common_meta])* pub $common: <$Common as $crate::Family<$View>>::Draw,)*
            $($(#[$field_meta])* pub $field: <$Family as $crate::Family<$View>>::Draw,)+
        }

        impl $Augment {
            /// The specification's settings with this profile and this length of vector.
            pub fn new(profile: $crate::Profile, vector: $Vector) -> Self {
                use $crate::Setting;
                Self {
                    profile,
                    vector,
                    $($common: Setting::spec(),)*
                    $($field: Setting::spec(),)+
                }
            }

            /// The corrected profile with the specification's settings.
            pub fn corrected(vector: $Vector) -> Self {
                Self::new($crate::Profile::Corrected, vector)
            }

            /// The published profile with the published length of vector.
            pub fn published() -> Self {
                Self::new($crate::Profile::Published, $crate::Setting::spec())
            }

            /// How many numbers its parameter vectors have.
            #[allow(clippy::len_without_is_empty, reason = "a vector is never empty")]
            pub fn len(&self) -> usize {
                self.vector.length()
            }

            /// The families of the vector, by their key in a recipe, with their slots.
            fn families_in(
                &self,
                context: &$crate::Context<<$View as $crate::View>::Size>,
            ) -> Vec<(&'static str, Vec<$crate::Slot>)> {
                let families = [
                    $((stringify!($field), $crate::Family::<$View>::slots(&self.$field, context)),)+
                ];
                let mut end = 0;
                let within = |(_, slots): &(_, Vec<_>)| {
                    end += slots.len();
                    end <= self.len()
                };
                families.into_iter().take_while(within).collect()
            }

            /// Draws all families of the vector, in order.
            fn draw_in(
                &self,
                context: $crate::Context<<$View as $crate::View>::Size>,
                rng: &mut impl rand::Rng,
            ) -> $Draw {
                $(let $common = $crate::Family::<$View>::draw(&self.$common, &context, rng);)*
                self.draw_augmented(context, rng, $Draw {
                    context,
                    vector: self.vector,
                    $($common,)*
                    $($field: Default::default(),)+
                })
            }

            /// Draws what the vector describes into `drawn`.
            fn draw_augmented(
                &self,
                context: $crate::Context<<$View as $crate::View>::Size>,
                rng: &mut impl rand::Rng,
                mut drawn: $Draw,
            ) -> $Draw {
                let mut end = 0;
                $(
                    end += <$Family as $crate::Family<$View>>::SLOTS;
                    if end <= self.len() {
                        drawn.$field = $crate::Family::<$View>::draw(&self.$field, &context, rng);
                    }
                )+
                drawn
            }

            /// The draw that changes nothing.
            fn identity_in(
                &self,
                context: $crate::Context<<$View as $crate::View>::Size>,
            ) -> $Draw {
                $Draw {
                    context,
                    vector: self.vector,
                    $($common: Default::default(),)*
                    $($field: Default::default(),)+
                }
            }

            /// Draws `count` times and keeps the vectors only.
            fn sample_in(
                &self,
                context: $crate::Context<<$View as $crate::View>::Size>,
                count: usize,
                rng: &mut impl rand::Rng,
            ) -> ndarray::Array2<f32> {
                let mut vectors = Vec::with_capacity(count * self.len());
                for _ in 0..count {
                    self.draw_in(context, rng).encode_into(&mut vectors);
                }
                ndarray::Array2::from_shape_vec((count, self.len()), vectors)
                    .expect("every draw fills its slots")
            }
        }

        #[cfg(test)]
        impl $Augment {
            /// Checks every family of the chain against what all families satisfy.
            pub(crate) fn check_laws(
                &self,
                context: &$crate::Context<<$View as $crate::View>::Size>,
                view: &$View,
                seed: u64,
            ) {
                $($crate::laws::check(stringify!($common), &self.$common, context, view, seed);)*
                $($crate::laws::check(stringify!($field), &self.$field, context, view, seed);)+
            }
        }

        impl $Draw {
            /// What befalls both views alike.
            pub fn apply_common(&self, view: $View) -> $View {
                $(let view = $crate::Draw::apply(&self.$common, &self.context, view);)*
                view
            }

            /// The augmented view, from the plain one (or, where they differ, from its source).
            pub fn apply(&self, view: &$View) -> $View {
                let mut result: Option<$View> = None;
                $(
                    result = Some(match result {
                        None => $crate::Draw::apply_to(&self.$field, &self.context, view),
                        Some(view) => $crate::Draw::apply(&self.$field, &self.context, view),
                    });
                )+
                result.expect("a chain has a family")
            }

            /// The numbers by which the model knows this draw.
            pub fn encode(&self) -> $crate::ParameterVector {
                let mut vector = Vec::with_capacity(self.vector.length());
                self.encode_into(&mut vector);
                $crate::ParameterVector::new(vector)
            }

            /// Appends the numbers by which the model knows this draw.
            pub fn encode_into(&self, vector: &mut Vec<f32>) {
                let mut end = 0;
                $(
                    end += <$Family as $crate::Family<$View>>::SLOTS;
                    if end <= self.vector.length() {
                        $crate::Draw::<$View>::encode(&self.$field, &self.context, vector);
                    }
                )+
            }
        }
    };
}

pub(crate) use chain;
