//! Diagnostics: what was found, where, what was expected, and what to do.
//!
//! A compiler stage collects [`Diagnostics`] and goes on as far as it can, so that one run lists every problem of a
//! model. Rendering is plain text without colours; the command line adds those.
//!
//! Error codes are `E` and four digits; the thousand names the stage: 0 file, 1 checker, 2 import and shapes,
//! 3 graph passes, 4 kernels and loops, 5 backends and artefacts, 6 running a module, 7 IR text.

use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// The result is right, but the user should know.
    Warning,
    /// There is no result.
    Error,
}

/// Where a problem is; any part may be unknown.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// The model or IR file.
    pub file: Option<String>,
    /// 1-based line and column, for text.
    pub line: Option<(usize, usize)>,
    /// The chain of enclosing nodes, outermost first (`If_3/then_branch`).
    pub scope: Vec<String>,
    /// The node's name, or its position when it has none (`#12`).
    pub node: Option<String>,
    /// The operator, with its domain when it isn't ONNX's own.
    pub op: Option<String>,
    /// The tensor (value) concerned.
    pub tensor: Option<String>,
}

/// One problem.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// Stable code, e.g. `E1003`.
    pub code: &'static str,
    /// One line: what was found.
    pub message: String,
    /// Where.
    pub place: Place,
    /// What was expected instead, if that isn't plain from the message.
    pub expected: Option<String>,
    /// What the user can do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error with a code and what was found.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message.into())
    }

    /// A warning with a code and what was found.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message.into())
    }

    fn new(severity: Severity, code: &'static str, message: String) -> Self {
        Self { severity, code, message, place: Place::default(), expected: None, help: None }
    }

    /// Sets the place.
    pub fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// Names the node and its operator.
    pub fn node(mut self, name: impl Into<String>, op: impl Into<String>) -> Self {
        self.place.node = Some(name.into());
        self.place.op = Some(op.into());
        self
    }

    /// Names the tensor.
    pub fn tensor(mut self, name: impl Into<String>) -> Self {
        self.place.tensor = Some(name.into());
        self
    }

    /// Names the file.
    pub fn file(mut self, name: impl Into<String>) -> Self {
        self.place.file = Some(name.into());
        self
    }

    /// Says what was expected.
    pub fn expected(mut self, text: impl Into<String>) -> Self {
        self.expected = Some(text.into());
        self
    }

    /// Says what to do.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(file) = &self.file {
            parts.push(match self.line {
                Some((l, c)) => format!("{file}:{l}:{c}"),
                None => file.clone(),
            });
        } else if let Some((l, c)) = self.line {
            parts.push(format!("{l}:{c}"));
        }
        if !self.scope.is_empty() {
            parts.push(format!("in {}", self.scope.join("/")));
        }
        match (&self.node, &self.op) {
            (Some(n), Some(o)) => parts.push(format!("node '{n}' ({o})")),
            (Some(n), None) => parts.push(format!("node '{n}'")),
            (None, Some(o)) => parts.push(o.clone()),
            (None, None) => {}
        }
        if let Some(t) = &self.tensor {
            parts.push(format!("tensor '{t}'"));
        }
        f.write_str(&parts.join(", "))
    }
}

impl fmt::Display for Diagnostic {
    /// ```text
    /// error[E1003]: what was found
    ///   --> model.onnx, node 'conv1' (Conv), tensor 'x'
    ///   expected: ...
    ///   help: ...
    /// ```
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = if self.severity == Severity::Error { "error" } else { "warning" };
        write!(f, "{severity}[{}]: {}", self.code, self.message)?;
        let place = self.place.to_string();
        if !place.is_empty() {
            write!(f, "\n  --> {place}")?;
        }
        if let Some(e) = &self.expected {
            write!(f, "\n  expected: {e}")?;
        }
        if let Some(h) = &self.help {
            write!(f, "\n  help: {h}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

/// All problems found so far, in order of discovery.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// No problems yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, d: Diagnostic) {
        self.0.push(d);
    }

    /// True if any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    /// `Ok(value)` unless there are errors.
    pub fn into_result<T>(self, value: T) -> Result<T, Diagnostics> {
        if self.has_errors() { Err(self) } else { Ok(value) }
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(d: Diagnostic) -> Self {
        Self(vec![d])
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, iter: I) {
        self.0.extend(iter);
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, d) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{d}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
