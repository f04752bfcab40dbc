//! From the shapes of given inputs to the dims of a module, checked against everything that the module says.

use super::Module;
use super::values;
use onnxc_base::{Diagnostic, Diagnostics, Tensor, Value};
use onnxc_runtime::Extent;
use onnxc_runtime::module::{SOURCE_INPUT, SOURCE_PLAN, SOURCE_RUN};
use onnxc_runtime::reader::{Module as Description, Port};

/// The dims that inputs give.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// One per dim of the module; those that only the plan or the run knows are 0.
    pub dims: Vec<i64>,
}

/// Values found so far, and where.
struct Solver<'a> {
    description: Description<'a>,
    values: Vec<Option<i64>>,
    origins: Vec<String>,
}

impl Module {
    /// Binds the dims that follow from the inputs' shapes; every misfit is listed.
    pub fn bind(&self, inputs: &[Value]) -> Result<Binding, Diagnostics> {
        let description = self.description();
        let ports: Vec<Port<'_>> = description.inputs().collect();
        let mut problems = Diagnostics::new();
        if ports.len() != inputs.len() {
            let names: Vec<&str> = ports.iter().map(|p| p.name).collect();
            let d = Diagnostic::error("E6010", format!("{} inputs were given", inputs.len()));
            return Err(d.expected(format!("{}: {}", ports.len(), names.join(", "))).into());
        }
        let mut tensors: Vec<(Port<'_>, &Tensor)> = Vec::new();
        for (port, value) in ports.into_iter().zip(inputs) {
            match value {
                Value::Tensor(t) if port.type_text.starts_with("tensor(") => {
                    problems.extend(misfit(&port, t));
                    tensors.push((port, t));
                }
                _ => problems.extend(values::misfit(&port, value)),
            }
        }
        let mut problems = problems.into_result(Diagnostics::new())?;
        let n = description.dims().len();
        let mut solver = Solver { description, values: vec![None; n], origins: vec![String::new(); n] };
        // Extents that are a dim first; then expressions of one dim that is still unknown.
        for expressions in [false, true] {
            for (port, tensor) in &tensors {
                solver.solve(port, tensor, expressions);
            }
        }
        solver.check_ranges(&mut problems);
        for (port, tensor) in &tensors {
            solver.check_extents(port, tensor, &mut problems);
        }
        let dims = solver.values.iter().map(|v| v.unwrap_or(0)).collect();
        problems.into_result(Binding { dims })
    }
}

/// Element type and rank.
fn misfit(port: &Port<'_>, tensor: &Tensor) -> Option<Diagnostic> {
    let want = crate::abi::dtype_of_number(port.dtype)?;
    if tensor.dtype() != want {
        let d = Diagnostic::error("E6011", format!("input '{}' has elements of {}", port.name, tensor.dtype()));
        return Some(d.expected(want.name()));
    }
    if tensor.shape().len() != port.rank() {
        let d = Diagnostic::error(
            "E6012",
            format!("input '{}' has rank {} (shape {:?})", port.name, tensor.shape().len(), tensor.shape()),
        );
        return Some(d.expected(format!("rank {}", port.rank())));
    }
    None
}

impl Solver<'_> {
    fn solve(&mut self, port: &Port<'_>, tensor: &Tensor, expressions: bool) {
        for (axis, (extent, &given)) in port.shape().zip(tensor.shape()).enumerate() {
            let found = match extent {
                Extent::Dim(i) if !expressions => Some((i, given as i64)),
                Extent::Code(_) if expressions => self.linear(extent, given as i64),
                _ => None,
            };
            let Some((i, value)) = found else { continue };
            if self.values.get(i) == Some(&None) {
                self.values[i] = Some(value);
                self.origins[i] = format!("dim {axis} of input '{}'", port.name);
            }
        }
    }

    /// The unknown dim that makes an expression equal to `given`, if there is just one and it is linear.
    fn linear(&self, extent: Extent<'_>, given: i64) -> Option<(usize, i64)> {
        let Extent::Code(code) = extent else { return None };
        let mut unknown = (0..self.values.len()).filter(|&i| self.values[i].is_none() && mentions(code, i));
        let i = unknown.next().filter(|_| unknown.next().is_none())?;
        let at = |v: i64| {
            let mut dims: Vec<i64> = self.values.iter().map(|v| v.unwrap_or(0)).collect();
            dims[i] = v;
            extent.eval(&dims)
        };
        let (zero, one) = (at(0)?, at(1)?);
        let slope = one.checked_sub(zero)?;
        let value = given.checked_sub(zero)?.checked_div(slope)?;
        (at(value) == Some(given)).then_some((i, value))
    }

    fn known(&self) -> Vec<i64> {
        self.values.iter().map(|v| v.unwrap_or(0)).collect()
    }

    fn check_ranges(&self, problems: &mut Diagnostics) {
        let known = self.known();
        for (i, dim) in self.description.dims().iter().enumerate().filter(|(_, d)| d.source == SOURCE_INPUT) {
            let Some(value) = self.values[i] else {
                problems.push(Diagnostic::error("E6015", format!("no input's shape says what dim '{}' is", dim.name)));
                continue;
            };
            let hi = dim.hi.eval(&known);
            if value < dim.lo || hi.is_some_and(|hi| value > hi) {
                let range = hi.map_or(format!("at least {}", dim.lo), |hi| format!("{} to {hi}", dim.lo));
                let found = format!("{} is {value} (dim '{}')", self.origins[i], dim.name);
                problems.push(Diagnostic::error("E6014", found).expected(range));
            }
        }
    }

    fn check_extents(&self, port: &Port<'_>, tensor: &Tensor, problems: &mut Diagnostics) {
        let known = self.known();
        for (axis, (extent, &given)) in port.shape().zip(tensor.shape()).enumerate() {
            if self.depends_on_later(extent) {
                continue;
            }
            let want = extent.eval(&known);
            if want == i64::try_from(given).ok() {
                continue;
            }
            let found = format!("input '{}', dim {axis}: {given} was given", port.name);
            let expected = match (want, extent) {
                (None, _) => "an extent that can be computed".to_string(),
                (Some(v), Extent::Dim(i)) => {
                    let name = self.description.dims().get(i).map_or("", |d| d.name);
                    format!("{v} (dim '{name}', from {})", self.origins[i])
                }
                (Some(v), _) => v.to_string(),
            };
            problems.push(Diagnostic::error("E6013", found).tensor(port.name).expected(expected));
        }
    }

    /// True if an extent mentions a dim that shapes don't give.
    fn depends_on_later(&self, extent: Extent<'_>) -> bool {
        let late =
            |i: usize| self.description.dims().get(i).is_some_and(|d| matches!(d.source, SOURCE_PLAN | SOURCE_RUN));
        match extent {
            Extent::Dim(i) => late(i),
            Extent::Code(code) => (0..self.values.len()).any(|i| late(i) && mentions(code, i)),
            _ => false,
        }
    }
}

/// True if an extent is, or is computed from, the dim of this number.
pub(super) fn uses(extent: Extent<'_>, dim: usize) -> bool {
    match extent {
        Extent::Dim(i) => i == dim,
        Extent::Code(code) => mentions(code, dim),
        _ => false,
    }
}

/// True if a program pushes the dim of this number.
fn mentions(code: &[i64], dim: usize) -> bool {
    use onnxc_runtime::module::opcode;
    let mut words = code.iter();
    while let Some(&op) = words.next() {
        if op == opcode::CONST || op == opcode::DIM {
            let operand = words.next();
            if op == opcode::DIM && operand == Some(&(dim as i64)) {
                return true;
            }
        }
    }
    false
}
