//! The attribute `#[twinloop_sim::test]`. It writes a call of `twinloop_sim::Test` and knows nothing of what that does.
#![forbid(unsafe_code)]

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprLit, Ident, ItemFn, Lit, Token};

/// Makes an ordinary test of an async program, or of a function that builds a world.
///
/// ```ignore
/// #[twinloop_sim::test]
/// async fn a_program_alone() -> Result<(), TransportError> { ... }
///
/// #[twinloop_sim::test(seeds = 256)]
/// fn a_world(sim: &mut Sim) { ... }
/// ```
///
/// In its brackets may stand, divided by commas:
///
/// | setting | effect |
/// |---|---|
/// | `seeds = 256`, `seeds = 100..200` | which seeds are run; `0..64` if nothing is said |
/// | `check` | every seed is run twice, to see that both runs are the same |
/// | `reaches = ["a reply is lost"]` | the test fails if no seed came to these `sometimes!`, `reachable!` or `always!` |
/// | `isolation = Isolation::Process` | what a run shares with those before it |
///
/// What such a test does with seeds, replays and variables of the environment (`TWINLOOP_SEED` and others) is said at
/// `twinloop_sim::Test`, whose calls this writes.
#[proc_macro_attribute]
pub fn test(
    arguments: proc_macro::TokenStream,
    function: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    let function: TokenStream = function.into();
    match expand(arguments.into(), function.clone()) {
        Ok(test) => test.into(),
        Err(error) => {
            // With the function still there, an editor goes on to understand what is in it.
            let error = error.into_compile_error();
            quote!(#error #function).into()
        }
    }
}

fn expand(arguments: TokenStream, function: TokenStream) -> syn::Result<TokenStream> {
    let Arguments(settings) = syn::parse2(arguments)?;
    let mut function: ItemFn = syn::parse2(function)?;
    let attributes = std::mem::take(&mut function.attrs);
    let signature = &function.sig;
    let name = &signature.ident;
    let run = match (signature.asyncness.is_some(), signature.inputs.len()) {
        (true, 0) => quote!(program),
        (false, 1) => quote!(world),
        _ => {
            let forms =
                "a test is an `async fn` without arguments, or an `fn(sim: &mut Sim)` that builds a world";
            return Err(Error::new_spanned(signature, forms));
        }
    };
    Ok(quote! {
        #(#attributes)*
        #[::core::prelude::v1::test]
        fn #name() {
            #function
            ::twinloop_sim::Test::new(::core::concat!(::core::module_path!(), "::", ::core::stringify!(#name)))
                .package(::core::env!("CARGO_PKG_NAME"), ::core::env!("CARGO_MANIFEST_DIR"))
                #(#settings)*
                .#run(#name);
        }
    })
}

/// What stands in the attribute's brackets, as calls of the builder.
struct Arguments(Vec<TokenStream>);

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Arguments> {
        let settings = Punctuated::<Setting, Token![,]>::parse_terminated(input)?;
        Ok(Arguments(settings.into_iter().map(|setting| setting.0).collect()))
    }
}

struct Setting(TokenStream);

impl Parse for Setting {
    fn parse(input: ParseStream<'_>) -> syn::Result<Setting> {
        let name: Ident = input.parse()?;
        if name == "check" {
            return Ok(Setting(quote!(.check())));
        }
        if !["seeds", "reaches", "isolation"].iter().any(|known| name == known) {
            let settings = "there are `seeds = 256`, `seeds = 100..200`, `check`, `reaches = [\"a word of a sometimes!\"]` and \
                            `isolation = Isolation::Process`";
            return Err(Error::new_spanned(&name, settings));
        }
        input.parse::<Token![=]>()?;
        let value: Expr = input.parse()?;
        Ok(Setting(if name == "reaches" {
            quote!(.reaches(&#value))
        } else if matches!(&value, Expr::Lit(ExprLit { lit: Lit::Int(_), .. })) {
            quote!(.#name(0..#value))
        } else {
            quote!(.#name(#value))
        }))
    }
}
