//! Files to a module's inputs: named ones by name, the others in the order of the inputs that are left.
//!
//! Afterwards there is one tensor for each input. Does NOT check element types and shapes: binding does.
//!
//! Codes: `E6110` an input without a tensor · `E6111` a tensor for which there is no input · `E6112` two for one.

use crate::files::{self, Content, Named};
use onnxc_base::{DType, Diagnostic, Diagnostics, Tensor, Value};
use onnxc_codegen::loader::PortInfo;
use std::path::Path;

/// Reads what the user named: `FILE` or `NAME=FILE`.
///
/// # Errors
/// Every file that can't be read.
pub fn read_all(words: &[String]) -> Result<Vec<Named>, Diagnostics> {
    let mut problems = Diagnostics::new();
    let mut out = Vec::new();
    for word in words {
        let (name, path) = split(word);
        match files::read(path) {
            Ok(tensors) => {
                let single = tensors.len() == 1;
                out.extend(tensors.into_iter().map(|(n, t)| (name.filter(|_| single).map(String::from).or(n), t)));
            }
            Err(d) => problems.extend(d),
        }
    }
    problems.into_result(out)
}

/// `NAME=FILE`, unless there is a file of that whole name.
pub(crate) fn split(word: &str) -> (Option<&str>, &Path) {
    match word.rsplit_once('=') {
        Some((name, path)) if !name.is_empty() && !Path::new(word).exists() => (Some(name), Path::new(path)),
        _ => (None, Path::new(word)),
    }
}

/// One value for each input of a module.
///
/// # Errors
/// Every input without a tensor and every tensor without an input.
pub fn arrange(ports: &[PortInfo], given: Vec<Named>) -> Result<Vec<Value>, Diagnostics> {
    let mut problems = Diagnostics::new();
    let mut slots: Vec<Option<Content>> = vec![None; ports.len()];
    let names = || ports.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ");
    let (named, unnamed): (Vec<Named>, Vec<Named>) = given.into_iter().partition(|(n, _)| n.is_some());
    // A name in a file that isn't an input's is no name if there is but one of each: `.pb` files are named at will.
    let lone = ports.len() == 1 && named.len() == 1 && unnamed.is_empty();
    for (name, tensor) in named {
        let name = name.unwrap_or_default();
        match ports.iter().position(|p| p.name == name) {
            Some(i) if slots[i].is_some() => {
                problems.push(Diagnostic::error("E6112", format!("input '{name}' is given twice")));
            }
            Some(i) => slots[i] = Some(tensor),
            None if lone => slots[0] = Some(tensor),
            None => problems.push(
                Diagnostic::error("E6111", format!("there is no input '{name}'"))
                    .expected(format!("one of: {}", names())),
            ),
        }
    }
    for (_, tensor) in unnamed {
        match slots.iter_mut().find(|s| s.is_none()) {
            Some(slot) => *slot = Some(tensor),
            None => problems.push(Diagnostic::error("E6111", "more tensors than inputs were given").expected(format!(
                "{}: {}",
                ports.len(),
                names()
            ))),
        }
    }
    for (port, slot) in ports.iter().zip(&slots) {
        if slot.is_none() {
            let d = Diagnostic::error("E6110", format!("input '{}' isn't given", port.name));
            problems.push(d.expected(signature(port)).help(format!("add --inputs {}=FILE.npy", port.name)));
        }
    }
    let mut values = Vec::new();
    for (content, p) in slots.into_iter().zip(ports).filter_map(|(c, p)| Some((c?, p))) {
        match content.value(&p.type_text) {
            Ok(Value::Tensor(t)) => values.push(Value::Tensor(adapted(t, p.dtype))),
            Ok(v) => values.push(v),
            Err(d) => problems.push(d.tensor(p.name.clone())),
        }
    }
    problems.into_result(values)
}

/// `f32[n, 3, 224, 224]`, or the type as ONNX spells it for what is no tensor.
pub fn signature(port: &PortInfo) -> String {
    if port.type_text.starts_with("tensor(") {
        format!("{}[{}]", port.dtype, port.shape.join(", "))
    } else {
        port.type_text.clone()
    }
}

/// Types that NumPy lacks come as others of the same bits.
fn adapted(tensor: Tensor, want: DType) -> Tensor {
    let same_bits = match want {
        DType::BF16 => tensor.dtype() == DType::U16,
        _ => want.is_small() && matches!(tensor.dtype(), DType::I8 | DType::U8),
    };
    if !same_bits {
        return tensor;
    }
    let mask = ((1u16 << want.bits().min(8)) - 1) as u8;
    let bytes = match want.is_small() {
        true => tensor.bytes().iter().map(|b| b & mask).collect::<Vec<u8>>().into(),
        false => tensor.bytes().clone(),
    };
    Tensor::from_bytes(want, tensor.shape().to_vec(), bytes).unwrap_or(tensor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports() -> Vec<PortInfo> {
        ["a", "b"]
            .map(|n| PortInfo {
                name: n.into(),
                dtype: DType::F32,
                shape: vec!["n".into(), "2".into()],
                type_text: "tensor(float)".into(),
            })
            .into()
    }

    fn tensor(v: f32) -> Content {
        Content::Tensor(Tensor::from_slice(&[1], &[v]))
    }

    #[test]
    fn names_come_first_then_the_order() {
        let given = vec![(None, tensor(1.0)), (Some("a".to_string()), tensor(2.0))];
        assert_eq!(
            arrange(&ports(), given).expect("both are there"),
            [2.0f32, 1.0].map(|v| Value::Tensor(Tensor::from_slice(&[1], &[v])))
        );
    }

    #[test]
    fn a_lone_tensor_goes_to_a_lone_input() {
        let given = vec![(Some("gpu_0/data_0".to_string()), tensor(1.0))];
        assert!(arrange(&ports()[..1], given).is_ok());
    }

    #[test]
    fn misfits_are_listed_together() {
        let given = vec![
            (Some("c".to_string()), tensor(1.0)),
            (Some("a".to_string()), tensor(2.0)),
            (Some("a".to_string()), tensor(2.0)),
        ];
        let text = arrange(&ports(), given).expect_err("nothing fits").to_string();
        for want in ["no input 'c'", "'a' is given twice", "'b' isn't given", "f32[n, 2]"] {
            assert!(text.contains(want), "{want} is not in: {text}");
        }
    }

    #[test]
    fn bytes_become_elements_of_less() {
        let t = Tensor::from_slice(&[3], &[1i8, -1, -8]);
        assert_eq!(adapted(t, DType::I4).to_i64(), Some(vec![1, -1, -8]));
    }
}
