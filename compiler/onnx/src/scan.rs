//! A walk over the bytes of a protobuf file before anything is decoded: lengths, nesting, counts.
//!
//! Holds afterwards: every length lies inside its parent, messages nest and number within the [`Limits`], so that
//! decoding needs bounded stack and memory. Weights are stepped over, not read. Iterative: no recursion.
//!
//! Does NOT validate values or UTF-8 (decoding does), nor the meaning of the model (the checker does).

use crate::limits::Limits;
use onnxc_base::Diagnostic;

/// The messages whose insides matter here. Others are leaves: counted, not entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Sparse,
    Value,
    Type,
    TensorType,
    Wrapper,
    Map,
    Shape,
    Function,
    Device,
    Sharding,
    ShardedDim,
    Annotation,
    Leaf,
}

/// The message in a field, with the field's name; `None` when the field isn't a message.
fn child(parent: Kind, tag: u64) -> Option<(Kind, &'static str)> {
    use Kind::*;
    Some(match (parent, tag) {
        (Model, 7) => (Graph, "graph"),
        (Model, 8) | (Function, 9) => (Leaf, "opset_import"),
        (Model | Function, 14) | (Value, 4) | (Node, 9) | (Graph, 16) | (Tensor, 16) => (Leaf, "metadata_props"),
        (Model, 25) => (Function, "functions"),
        (Model, 26) => (Leaf, "configuration"),
        (Graph, 1) | (Function, 7) => (Node, "node"),
        (Graph, 5) => (Tensor, "initializer"),
        (Graph, 15) => (Sparse, "sparse_initializer"),
        (Graph, 11) => (Value, "input"),
        (Graph, 12) => (Value, "output"),
        (Graph, 13) | (Function, 12) => (Value, "value_info"),
        (Graph, 14) => (Annotation, "quantization_annotation"),
        (Annotation, 2) => (Leaf, "quant_parameter_tensor_names"),
        (Function, 11) => (Attribute, "attribute_proto"),
        (Node, 5) => (Attribute, "attribute"),
        (Node, 10) => (Device, "device_configurations"),
        (Device, 2) => (Sharding, "sharding_spec"),
        (Sharding, 3) => (Leaf, "index_to_device_group_map"),
        (Sharding, 4) => (ShardedDim, "sharded_dim"),
        (ShardedDim, 2) => (Leaf, "simple_sharding"),
        (Attribute, 5) => (Tensor, "t"),
        (Attribute, 6) => (Graph, "g"),
        (Attribute, 10) => (Tensor, "tensors"),
        (Attribute, 11) => (Graph, "graphs"),
        (Attribute, 14) => (Type, "tp"),
        (Attribute, 15) => (Type, "type_protos"),
        (Attribute, 22) => (Sparse, "sparse_tensor"),
        (Attribute, 23) => (Sparse, "sparse_tensors"),
        (Tensor, 3) => (Leaf, "segment"),
        (Tensor, 13) => (Leaf, "external_data"),
        (Sparse, 1) => (Tensor, "values"),
        (Sparse, 2) => (Tensor, "indices"),
        (Value, 2) => (Type, "type"),
        (Type, 1) => (TensorType, "tensor_type"),
        (Type, 4) => (Wrapper, "sequence_type"),
        (Type, 5) => (Map, "map_type"),
        (Type, 7) => (Leaf, "opaque_type"),
        (Type, 8) => (TensorType, "sparse_tensor_type"),
        (Type, 9) => (Wrapper, "optional_type"),
        (Wrapper, 1) => (Type, "elem_type"),
        (Map, 2) => (Type, "value_type"),
        (TensorType, 2) => (Shape, "shape"),
        (Shape, 1) => (Leaf, "dim"),
        _ => return None,
    })
}

/// An open message.
struct Frame {
    kind: Kind,
    field: &'static str,
    end: usize,
}

struct Scanner<'a> {
    data: &'a [u8],
    pos: usize,
    stack: Vec<Frame>,
    messages: usize,
    nodes: usize,
    limits: &'a Limits,
}

/// Walks the whole file; the first problem ends the walk, as nothing after it can be trusted.
pub(crate) fn scan(data: &[u8], limits: &Limits) -> Result<(), Diagnostic> {
    let root = Frame { kind: Kind::Model, field: "model", end: data.len() };
    Scanner { data, pos: 0, stack: vec![root], messages: 0, nodes: 0, limits }.run()
}

impl Scanner<'_> {
    fn run(&mut self) -> Result<(), Diagnostic> {
        while let Some(frame) = self.stack.last() {
            if self.pos == frame.end {
                self.stack.pop();
                continue;
            }
            let (kind, end) = (frame.kind, frame.end);
            self.field(kind, end)?;
        }
        Ok(())
    }

    /// Reads one field of the open message: enters it if it is a message, steps over it otherwise.
    fn field(&mut self, kind: Kind, end: usize) -> Result<(), Diagnostic> {
        let start = self.pos;
        let key = self.varint(end)?;
        let tag = key >> 3;
        if tag == 0 || key > u64::from(u32::MAX) {
            return Err(self.malformed(start, "a field with an impossible number"));
        }
        match key & 7 {
            0 => {
                self.varint(end)?;
            }
            1 => self.skip(8, end)?,
            5 => self.skip(4, end)?,
            2 => {
                let length = self.varint(end)?;
                match (child(kind, tag), usize::try_from(length)) {
                    (Some((kind, field)), Ok(n)) if n <= end - self.pos => self.enter(kind, field, n)?,
                    (_, Ok(n)) => self.skip(n, end)?,
                    (_, Err(_)) => return Err(self.beyond(length, end)),
                }
            }
            w => return Err(self.malformed(start, &format!("a field of wire type {w}, which ONNX doesn't use"))),
        }
        Ok(())
    }

    fn enter(&mut self, kind: Kind, field: &'static str, length: usize) -> Result<(), Diagnostic> {
        self.messages += 1;
        self.nodes += usize::from(kind == Kind::Node);
        let refuse = |code, found: String, help: &str| Err(Diagnostic::error(code, found).help(help));
        let l = self.limits;
        if self.stack.len() > l.max_nesting {
            let found = format!("messages are nested more than {} deep", l.max_nesting);
            return refuse("E0003", found, "flatten the nested graphs or types, or raise `Limits::max_nesting`");
        }
        if self.messages > l.max_messages {
            let found = format!("the file holds more than {} messages", l.max_messages);
            return refuse("E0004", found, "raise `Limits::max_messages` if the model is meant to be this large");
        }
        if self.nodes > l.max_nodes {
            let found = format!("the model has more than {} nodes", l.max_nodes);
            return refuse("E0004", found, "raise `Limits::max_nodes` if the model is meant to be this large");
        }
        self.stack.push(Frame { kind, field, end: self.pos + length });
        Ok(())
    }

    fn skip(&mut self, n: usize, end: usize) -> Result<(), Diagnostic> {
        if n > end - self.pos {
            return Err(self.beyond(n as u64, end));
        }
        self.pos += n;
        Ok(())
    }

    /// A base-128 number of at most ten bytes, inside the open message.
    fn varint(&mut self, end: usize) -> Result<u64, Diagnostic> {
        let start = self.pos;
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            if self.pos == end {
                return Err(self.malformed(start, "an unfinished number"));
            }
            let byte = self.data[self.pos];
            self.pos += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.malformed(start, "a number longer than ten bytes"))
    }

    fn beyond(&self, length: u64, end: usize) -> Diagnostic {
        let left = end - self.pos;
        self.malformed(self.pos, &format!("a field of {length} bytes where only {left} are left"))
    }

    fn malformed(&self, at: usize, found: &str) -> Diagnostic {
        let path: Vec<&str> = self.stack.iter().map(|f| f.field).collect();
        Diagnostic::error("E0002", format!("byte {at}, in {}: {found}", path.join(".")))
            .expected("an ONNX model (protobuf)")
            .help("the file is truncated, damaged or not an ONNX model; fetch or export it again")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(data: &[u8], limits: &Limits) -> String {
        scan(data, limits).err().map_or("ok".to_string(), |d| format!("{}: {}", d.code, d.message))
    }

    #[test]
    fn lengths_must_lie_inside_the_parent() {
        let l = Limits::default();
        assert_eq!(check(&[], &l), "ok");
        assert_eq!(check(&[0x3a, 2, 0x0a, 0], &l), "ok");
        let inner = "E0002: byte 4, in model.graph: a field of 1 bytes where only 0 are left";
        assert_eq!(check(&[0x3a, 2, 0x0a, 1, 0], &l), inner);
        assert_eq!(check(&[0x3a, 0x80], &l), "E0002: byte 1, in model: an unfinished number");
        let long = "E0002: byte 1, in model: a number longer than ten bytes";
        assert_eq!(check(&[&[0x08u8][..], &[0xff; 11]].concat(), &l), long);
        assert_eq!(check(&[0x0b], &l), "E0002: byte 0, in model: a field of wire type 3, which ONNX doesn't use");
        assert_eq!(check(&[0x00, 0x00], &l), "E0002: byte 0, in model: a field with an impossible number");
    }

    #[test]
    fn counts_are_bounded() {
        let two_nodes = [0x3a, 4, 0x0a, 0, 0x0a, 0];
        assert_eq!(check(&two_nodes, &Limits { max_nodes: 2, ..Limits::default() }), "ok");
        let few = Limits { max_nodes: 1, ..Limits::default() };
        assert_eq!(check(&two_nodes, &few), "E0004: the model has more than 1 nodes");
        let few = Limits { max_messages: 2, ..Limits::default() };
        assert_eq!(check(&two_nodes, &few), "E0004: the file holds more than 2 messages");
        let flat = Limits { max_nesting: 1, ..Limits::default() };
        assert_eq!(check(&two_nodes, &flat), "E0003: messages are nested more than 1 deep");
    }
}
