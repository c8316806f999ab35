//! Structs and enums of the crates as their source declares them: fields, doc comments, and what serde is told.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{Attribute, FieldsNamed, File, GenericArgument, Item, LitStr, PathArguments, UseTree};

use crate::tidy::Tree;

/// Every type of the crates.
pub(super) struct Types {
    all: Vec<Type>,
    /// By file: the crate or module that a name is imported from.
    imports: Vec<(String, String, String)>,
}

/// One of them.
pub(super) struct Type {
    pub(super) name: String,
    /// The file that declares it.
    pub(super) path: String,
    pub(super) kind: Kind,
    /// Whether a key `kind` tells the variants apart.
    pub(super) tagged: bool,
}

pub(super) enum Kind {
    Struct(Vec<Field>),
    Enum(Vec<Variant>),
}

pub(super) struct Variant {
    /// As a recipe spells it.
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
    /// The type of its only, unnamed field.
    pub(super) holds: Option<String>,
}

#[derive(Clone)]
pub(super) struct Field {
    /// In Rust.
    pub(super) name: String,
    /// In a recipe.
    pub(super) key: String,
    pub(super) meaning: String,
    /// The type without `Option`.
    pub(super) shown: String,
    /// The innermost type.
    pub(super) inner: String,
    pub(super) optional: bool,
    /// Whether its own fields stand in its place.
    pub(super) flat: bool,
}

impl Types {
    pub(super) fn read(tree: &Tree) -> Self {
        let mut types = Self { all: Vec::new(), imports: Vec::new() };
        let files = tree.texts(".rs").filter(|(path, _)| path.starts_with("crates/"));
        for (path, text) in files.filter(|(path, _)| path.contains("/src/")) {
            // What is no Rust, the compiler tells better.
            let File { items, .. } = syn::parse_file(text).unwrap_or(empty());
            items.into_iter().for_each(|item| types.add(path, item));
        }
        types
    }

    fn add(&mut self, path: &str, item: Item) {
        let (name, kind, attributes) = match item {
            Item::Struct(item) => {
                let syn::Fields::Named(fields) = item.fields else { return };
                (item.ident.to_string(), Kind::Struct(named(fields)), item.attrs)
            }
            Item::Enum(item) => {
                let case = serde(&item.attrs, "rename_all").unwrap_or_default();
                let variants = item.variants.into_iter().map(|one| variant(one, &case)).collect();
                (item.ident.to_string(), Kind::Enum(variants), item.attrs)
            }
            Item::Macro(item) => match declared(item.mac.tokens) {
                Some((name, fields)) => (name, Kind::Struct(fields), Vec::new()),
                None => return,
            },
            Item::Use(item) => return self.import(path, "", &item.tree),
            _ => return,
        };
        let tagged = serde(&attributes, "tag").is_some();
        // What is read through another type has other keys, or none.
        let foreign = ["try_from", "from"].iter().any(|key| serde(&attributes, key).is_some());
        let kind = if foreign { Kind::Struct(Vec::new()) } else { kind };
        self.all.push(Type { name, path: path.to_owned(), kind, tagged });
    }

    fn import(&mut self, path: &str, from: &str, tree: &UseTree) {
        match tree {
            UseTree::Path(inner) => {
                let from = if from.is_empty() { inner.ident.to_string() } else { from.to_owned() };
                self.import(path, &from, &inner.tree);
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|item| self.import(path, from, item))
            }
            UseTree::Name(name) => {
                self.imports.push((path.to_owned(), name.ident.to_string(), from.to_owned()));
            }
            _ => {}
        }
    }

    /// The type `name` below the folder `place`.
    pub(super) fn get(&self, place: &str, name: &str) -> Option<&Type> {
        self.all.iter().find(|one| one.name == name && one.path.starts_with(place))
    }

    /// What the file `path` means by `name`: its own, that of the crate it imports it from, of its own crate, or of any.
    /// A path such as `crop::Crop` names the file too.
    pub(super) fn seen_from(&self, path: &str, name: &str) -> Option<&Type> {
        let (module, name) =
            name.rsplit_once("::").map_or(("", name), |(module, name)| (module, name));
        let folder = path.trim_end_matches(".rs");
        if !module.is_empty()
            && let Some(found) = self.get(&format!("{folder}/{module}"), name)
        {
            return Some(found);
        }
        let import = self.imports.iter().find(|(file, known, _)| file == path && known == name);
        let from = import.map(|(.., from)| format!("crates/{}/", from.replace('_', "-")));
        let own = path.split_inclusive('/').take(2).collect::<String>();
        let places = [Some(path.to_owned()), from, Some(own), Some(String::new())];
        places.iter().flatten().find_map(|place| self.get(place, name))
    }
}

impl Type {
    /// The names that stand for a value of it; none of a struct.
    pub(super) fn choices(&self) -> Vec<String> {
        let Kind::Enum(variants) = &self.kind else { return Vec::new() };
        variants.iter().map(|variant| format!("`{}`", variant.name)).collect()
    }
}

fn empty() -> File {
    File { shebang: None, attrs: Vec::new(), items: Vec::new() }
}

/// The struct that a macro's call declares, with the fields of all its braces that hold some.
fn declared(tokens: TokenStream) -> Option<(String, Vec<Field>)> {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let at = trees.iter().position(|tree| tree.to_string() == "struct")?;
    let name = trees.get(at + 1)?.to_string();
    let braces = trees.into_iter().filter(
        |tree| matches!(tree, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace),
    );
    let fields = braces.filter_map(|group| syn::parse2::<FieldsNamed>(group.into()).ok());
    Some((name, fields.flat_map(named).collect()))
}

fn named(fields: FieldsNamed) -> Vec<Field> {
    fields.named.into_iter().map(field).collect()
}

fn field(field: syn::Field) -> Field {
    let name = field.ident.map(|ident| ident.to_string()).unwrap_or_default();
    let (outer, shown) = unwrapped(&field.ty);
    let mut inner = shown.clone();
    while let Some((_, rest)) = inner.split_once('<') {
        let last = rest.trim_end_matches('>').rsplit(", ").next().unwrap_or_default();
        inner = last.to_owned();
    }
    Field {
        key: serde(&field.attrs, "rename").unwrap_or_else(|| name.clone()),
        name,
        meaning: meaning(&field.attrs),
        shown,
        inner,
        optional: outer || serde(&field.attrs, "default").is_some(),
        flat: serde(&field.attrs, "flatten").is_some(),
    }
}

fn variant(variant: syn::Variant, case: &str) -> Variant {
    let name = serde(&variant.attrs, "rename");
    let name = name.unwrap_or_else(|| renamed(&variant.ident.to_string(), case));
    let (fields, holds) = match variant.fields {
        syn::Fields::Named(fields) => (named(fields), None),
        syn::Fields::Unnamed(fields) => {
            (Vec::new(), fields.unnamed.first().map(|one| show(&one.ty)))
        }
        syn::Fields::Unit => (Vec::new(), None),
    };
    Variant { name, fields, holds }
}

/// `name` as serde spells it in `case`.
fn renamed(name: &str, case: &str) -> String {
    let separator = match case {
        "kebab-case" => "-",
        "snake_case" => "_",
        "lowercase" => "",
        _ => return name.to_owned(),
    };
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text += separator;
        }
        text.extend(letter.to_lowercase());
    }
    text
}

/// Whether a type is an `Option`, and what it shows without.
fn unwrapped(of: &syn::Type) -> (bool, String) {
    if let syn::Type::Path(path) = of
        && let Some(last) = path.path.segments.last().filter(|last| last.ident == "Option")
        && let PathArguments::AngleBracketed(arguments) = &last.arguments
        && let Some(GenericArgument::Type(inner)) = arguments.args.first()
    {
        return (true, show(inner));
    }
    (false, show(of))
}

fn show(of: &syn::Type) -> String {
    let text = quote::quote!(#of).to_string();
    let text = text.replace(" :: ", "::").replace(" < ", "<").replace(" >", ">");
    text.replace(" ,", ",").replace("< ", "<")
}

/// The first paragraph of the doc comment, as a cell of a table.
fn meaning(attributes: &[Attribute]) -> String {
    let docs = attributes.iter().filter(|attribute| attribute.path().is_ident("doc"));
    let lines = docs.filter_map(|attribute| {
        let syn::Expr::Lit(literal) = &attribute.meta.require_name_value().ok()?.value else {
            return None;
        };
        let syn::Lit::Str(text) = &literal.lit else { return None };
        Some(text.value().trim().to_owned())
    });
    let text = lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    without_targets(&text).replace("[`", "`").replace("`]", "`").replace('|', "\\|")
}

/// `text` without what its links lead to, which means nothing outside of the code.
fn without_targets(text: &str) -> String {
    let mut parts = text.split("`](");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = |part: &str| format!("`{}", part.split_once(')').map_or("", |(_, rest)| rest));
    first + &parts.map(rest).collect::<String>()
}

/// What serde is told by `key`: its value, or nothing where it has none.
fn serde(attributes: &[Attribute], key: &str) -> Option<String> {
    let mut found = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        let _ = attribute.parse_nested_meta(|meta| {
            let value = meta.value().and_then(|value| value.parse::<LitStr>());
            let value = value.map(|text| text.value()).unwrap_or_default();
            if meta.path.is_ident(key) {
                found = Some(value);
            }
            Ok(())
        });
    }
    found
}
