//! Text of an expression with how tightly it binds: parentheses stand where a reader or a compiler's warning wants them.

use onnxc_base::DType;

/// How tightly an expression binds; both languages order these alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Prec {
    /// `c ? a : b`, `if c { a } else { b }`.
    Choice,
    /// `&`, `|`, `^`, `<<`, `>>`: mixed with anything else they get parentheses.
    Bits,
    /// `<`, `==` ...
    Compare,
    /// `+`, `-`.
    Add,
    /// `*`, `/`, `%`.
    Mul,
    /// Rust's `as`.
    Cast,
    /// `-a`, `!a`, C's casts.
    Unary,
    /// Names, literals, calls, subscripts.
    Primary,
}

/// An expression.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expr {
    /// Its text.
    pub text: String,
    /// How tightly it binds.
    pub prec: Prec,
    /// The type it has in the emitted text: i32 for an index that fits.
    pub dtype: DType,
    /// Lanes: more than one only for vectors that stay whole (`scalar::Vectors`).
    pub lanes: u16,
}

impl Expr {
    /// An expression.
    pub fn new(text: impl Into<String>, prec: Prec, dtype: DType) -> Expr {
        Expr { text: text.into(), prec, dtype, lanes: 1 }
    }

    /// A name, literal, call or subscript.
    pub fn primary(text: impl Into<String>, dtype: DType) -> Expr {
        Expr::new(text, Prec::Primary, dtype)
    }

    /// Its text where something that binds as tightly as `least` is needed.
    pub fn at(&self, least: Prec) -> String {
        if self.prec >= least { self.text.clone() } else { format!("({})", self.text) }
    }

    /// `a op b`, grouped from the left; with `Bits` both operands are as tight as unary ones.
    pub fn infix(a: &Expr, op: &str, b: &Expr, prec: Prec, dtype: DType) -> Expr {
        // x + -2 is x - 2.
        if let ("+", Some(rest)) = (op, b.text.strip_prefix('-'))
            && rest.chars().all(|c| c.is_ascii_digit())
        {
            let positive = Expr::new(rest, Prec::Primary, b.dtype);
            return Expr::infix(a, "-", &positive, prec, dtype);
        }
        let (left, right) = match prec {
            Prec::Bits => (Prec::Cast, Prec::Cast),
            Prec::Compare => (Prec::Add, Prec::Add),
            Prec::Add => (Prec::Add, Prec::Mul),
            _ => (Prec::Mul, Prec::Cast),
        };
        Expr::new(format!("{} {op} {}", a.at(left), b.at(right)), prec, dtype)
    }
}
