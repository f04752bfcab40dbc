//! What the user may say about a model's dims (`h=256`, `h=1..1024`, `h=1..`) and inputs (`x=n,3,224,224`, `w`) and branches
//! (`If_0=else`).

use onnxc_base::{Diagnostic, IndexMap};

/// What importing a model depends on, besides the model.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ImportOptions {
    /// By a dim's name in the model, or by its symbol (which an unnamed dim has, too: `input_d0`).
    pub dims: IndexMap<String, DimRange>,
    /// Inputs by name, with the extents that the user gives them: numbers, names, or `?` for what has no name. An
    /// initializer of that name is an input, too, and not a constant.
    pub inputs: IndexMap<String, Option<Vec<String>>>,
    /// By an If's name, the branch that it is compiled for: 0, `then`, or 1, `else`. Runs that need the other are refused.
    pub branches: IndexMap<String, usize>,
}

/// The extents a dim may have, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DimRange {
    /// Least.
    pub lo: i64,
    /// Greatest; none: unknown.
    pub hi: Option<i64>,
}

impl DimRange {
    /// The only value, if there is only one.
    pub fn fixed(&self) -> Option<i64> {
        (self.hi == Some(self.lo)).then_some(self.lo)
    }
}

impl ImportOptions {
    /// Adds what `--input` was given: `NAME` or `NAME=EXTENT,EXTENT,..`; no extents (`NAME=`) are a scalar's.
    pub fn add_input(&mut self, text: &str) -> Result<(), Diagnostic> {
        let (name, shape) = text.rsplit_once('=').map_or((text, None), |(n, s)| (n, Some(s)));
        let list = shape.map(|s| s.trim().trim_start_matches('[').trim_end_matches(']'));
        let extents = list.map(|s| match s.trim() {
            "" => vec![],
            s => s.split(',').map(|d| d.trim().to_string()).collect::<Vec<_>>(),
        });
        let extent = |d: &String| !d.is_empty() && d.parse::<i64>().is_ok_and(|n| n >= 0) == d.parse::<i64>().is_ok();
        if name.trim().is_empty() || !extents.iter().flatten().all(extent) {
            return Err(Diagnostic::error("E2034", format!("--input {text}: not an input with its extents"))
                .expected("NAME or NAME=EXTENT,EXTENT,..; an extent is a number, a name or ?")
                .help("for example --input x=n,3,224,224"));
        }
        self.inputs.insert(name.trim().into(), extents);
        Ok(())
    }

    /// Adds what `--branch` was given: `NODE=then` or `NODE=else`.
    pub fn add_branch(&mut self, text: &str) -> Result<(), Diagnostic> {
        let (name, word) = text.rsplit_once('=').unwrap_or((text, ""));
        let which = ["then", "else"].iter().position(|w| *w == word.trim());
        let which = which.filter(|_| !name.trim().is_empty()).ok_or_else(|| {
            Diagnostic::error("E2035", format!("--branch {text}: not a node with its branch"))
                .expected("NODE=then or NODE=else")
        })?;
        self.branches.insert(name.trim().into(), which);
        Ok(())
    }

    /// Adds what `--dim` was given: `NAME=EXTENT`, `NAME=LEAST..GREATEST` (both included) or `NAME=LEAST..`.
    pub fn add_dim(&mut self, text: &str) -> Result<(), Diagnostic> {
        let wrong = |why: &str| {
            Diagnostic::error("E2028", format!("--dim {text}: {why}"))
                .expected("NAME=EXTENT, NAME=LEAST..GREATEST or NAME=LEAST..")
                .help("for example --dim h=256 or --dim h=1..1024")
        };
        let (name, value) = text.rsplit_once('=').ok_or_else(|| wrong("there is no '='"))?;
        let number = |s: &str| match s.trim().parse::<i64>() {
            Ok(v) if v >= 0 => Ok(v),
            _ => Err(wrong(&format!("'{s}' is no extent"))),
        };
        let range = match value.split_once("..") {
            None => {
                let v = number(value)?;
                DimRange { lo: v, hi: Some(v) }
            }
            Some((lo, "")) => DimRange { lo: number(lo)?, hi: None },
            Some((lo, hi)) => DimRange { lo: number(lo)?, hi: Some(number(hi.trim_start_matches('='))?) },
        };
        if range.hi.is_some_and(|hi| hi < range.lo) {
            return Err(wrong("the range is empty"));
        }
        self.dims.insert(name.trim().into(), range);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dims_are_fixed_or_ranges() {
        let mut o = ImportOptions::default();
        for text in ["h=256", "w=1..1024", "n=2..", "a=b=3"] {
            o.add_dim(text).expect("well-formed");
        }
        assert_eq!(o.dims["h"].fixed(), Some(256));
        assert_eq!(o.dims["w"], DimRange { lo: 1, hi: Some(1024) });
        assert_eq!(o.dims["n"], DimRange { lo: 2, hi: None });
        assert_eq!(o.dims["a=b"].fixed(), Some(3));
    }

    #[test]
    fn inputs_have_extents() {
        let mut o = ImportOptions::default();
        for text in ["x=n, 3,?", "w", "s=", "a:0=[2]"] {
            o.add_input(text).expect("well-formed");
        }
        let said: Vec<String> = o.inputs.iter().map(|(n, s)| format!("{n} {s:?}")).collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
        x Some(["n", "3", "?"])
        w None
        s Some([])
        a:0 Some(["2"])
        "#);
        for text in ["=3", "x=3,,4", "x=-1"] {
            assert_eq!(o.add_input(text).map_err(|d| d.code), Err("E2034"), "{text}");
        }
    }

    #[test]
    fn branches_have_words() {
        let mut o = ImportOptions::default();
        for text in ["If_0=then", "a=b = else"] {
            o.add_branch(text).expect("well-formed");
        }
        assert_eq!((o.branches["If_0"], o.branches["a=b"]), (0, 1));
        for text in ["If_0", "If_0=", "=else", "If_0=1"] {
            assert_eq!(o.add_branch(text).map_err(|d| d.code), Err("E2035"), "{text}");
        }
    }

    #[test]
    fn what_is_no_extent_is_refused() {
        for text in ["h", "h=", "h=-1", "h=x", "h=3..1", "h=..4"] {
            assert_eq!(ImportOptions::default().add_dim(text).map_err(|d| d.code), Err("E2028"), "{text}");
        }
    }
}
