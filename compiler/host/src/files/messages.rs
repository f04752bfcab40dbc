//! ONNX's messages for values that are no tensors (onnx-data.proto of the standard): sequences, optionals, maps.
//!
//! A file doesn't say which of them it is, so they are read by the type that a module wants.

use super::pb::broken;
use onnxc_base::{Bytes, DType, Diagnostic, Map, Tensor, Value};
use onnxc_onnx::{TensorProto, dtype};
use prost::Message;

/// `SequenceProto`, and `OptionalProto`, whose fields have the same numbers: there, only the first of each kind counts.
#[derive(Clone, PartialEq, Message)]
pub struct ItemsProto {
    #[prost(string, tag = "1")]
    pub name: String,
    /// What the items are: 1 tensors, 3 sequences, 4 maps, 5 optionals.
    #[prost(int32, tag = "2")]
    pub elem_type: i32,
    #[prost(message, repeated, tag = "3")]
    pub tensors: Vec<TensorProto>,
    #[prost(message, repeated, tag = "5")]
    pub sequences: Vec<ItemsProto>,
    #[prost(message, repeated, tag = "6")]
    pub maps: Vec<MapProto>,
    #[prost(message, repeated, tag = "7")]
    pub optionals: Vec<ItemsProto>,
}

/// `MapProto`.
#[derive(Clone, PartialEq, Message)]
pub struct MapProto {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(int32, tag = "2")]
    pub key_type: i32,
    #[prost(int64, repeated, tag = "3")]
    pub keys: Vec<i64>,
    #[prost(bytes = "bytes", repeated, tag = "4")]
    pub string_keys: Vec<Bytes>,
    #[prost(message, optional, tag = "5")]
    pub values: Option<ItemsProto>,
}

/// The name that a file of one of these messages has.
pub fn name(bytes: &Bytes) -> Option<String> {
    ItemsProto::decode(bytes.clone()).ok().map(|m| m.name).filter(|n| !n.is_empty())
}

/// The value in a file, of a type as ONNX spells it.
pub fn read(bytes: &Bytes, type_text: &str) -> Result<Value, Diagnostic> {
    if type_text.starts_with("map(") {
        return map(MapProto::decode(bytes.clone()).map_err(broken)?);
    }
    items(ItemsProto::decode(bytes.clone()).map_err(broken)?, type_text)
}

fn items(m: ItemsProto, type_text: &str) -> Result<Value, Diagnostic> {
    let inner = |word: &str| type_text.strip_prefix(word).and_then(|t| t.strip_suffix(')')).unwrap_or("");
    let of = if type_text.starts_with("optional(") { inner("optional(") } else { inner("seq(") };
    let mut values = Vec::new();
    for t in m.tensors {
        values.push(Value::Tensor(super::pb::tensor(t)?));
    }
    for s in m.sequences.into_iter().chain(m.optionals) {
        values.push(items(s, of)?);
    }
    for m in m.maps {
        values.push(map(m)?);
    }
    Ok(if type_text.starts_with("optional(") {
        Value::Optional(values.into_iter().next().map(Box::new))
    } else {
        Value::Sequence(values)
    })
}

fn map(m: MapProto) -> Result<Value, Diagnostic> {
    let keys = if m.string_keys.is_empty() {
        Some(Tensor::from_slice(&[m.keys.len()], &m.keys))
    } else {
        Tensor::from_strings(vec![m.string_keys.len()], m.string_keys.iter().map(|k| k.to_vec()).collect())
    };
    let mut parts = Vec::new();
    for t in m.values.unwrap_or_default().tensors {
        parts.push(super::pb::tensor(t)?);
    }
    let dtype = parts.first().map_or(DType::F32, Tensor::dtype);
    let bytes: Vec<u8> = parts.iter().flat_map(|t| t.bytes().to_vec()).collect();
    let values = match dtype {
        DType::String => {
            let all: Vec<Vec<u8>> = parts.iter().filter_map(Tensor::strings).flatten().cloned().collect();
            Tensor::from_strings(vec![all.len()], all)
        }
        d => Tensor::from_bytes(d, vec![bytes.len() / d.size().max(1)], bytes.into()),
    };
    match keys.zip(values) {
        Some((keys, values)) if keys.len() == values.len() => Ok(Value::Map(Box::new(Map { keys, values }))),
        _ => Err(broken("a map with another number of keys than values")),
    }
}

/// The bytes of a file for a value that is no tensor.
pub fn write(name: &str, value: &Value) -> Vec<u8> {
    match value {
        Value::Map(m) => map_proto(name, m).encode_to_vec(),
        other => items_proto(name, other).encode_to_vec(),
    }
}

fn items_proto(name: &str, value: &Value) -> ItemsProto {
    let mut m = ItemsProto { name: name.into(), ..ItemsProto::default() };
    let items: Vec<&Value> = match value {
        Value::Sequence(items) => items.iter().collect(),
        Value::Optional(inner) => inner.iter().map(|v| &**v).collect(),
        other => vec![other],
    };
    for item in items {
        match item {
            Value::Tensor(t) => {
                m.elem_type = 1;
                m.tensors.push(super::pb::proto("", t));
            }
            Value::Sequence(_) => {
                m.elem_type = 3;
                m.sequences.push(items_proto("", item));
            }
            Value::Map(map) => {
                m.elem_type = 4;
                m.maps.push(map_proto("", map));
            }
            Value::Optional(_) => {
                m.elem_type = 5;
                m.optionals.push(items_proto("", item));
            }
        }
    }
    m
}

fn map_proto(name: &str, map: &Map) -> MapProto {
    let string_keys = map.keys.strings().unwrap_or_default().iter().map(|k| Bytes::copy_from_slice(k)).collect();
    let mut values = ItemsProto { elem_type: 1, ..ItemsProto::default() };
    values.tensors.push(super::pb::proto("", &map.values));
    MapProto {
        name: name.into(),
        key_type: dtype::to_onnx(map.keys.dtype()),
        keys: map.keys.to_i64().unwrap_or_default(),
        string_keys,
        values: Some(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_again() {
        let t = Value::Tensor(Tensor::from_slice(&[2], &[1.0f32, 2.0]));
        let map = Map { keys: Tensor::from_slice(&[2], &[7i64, 8]), values: Tensor::from_slice(&[2], &[0.5f32, 1.5]) };
        let cases = [
            ("seq(tensor(float))", Value::Sequence(vec![t.clone(), t.clone()])),
            ("optional(tensor(float))", Value::Optional(Some(Box::new(t.clone())))),
            ("optional(seq(tensor(float)))", Value::Optional(Some(Box::new(Value::Sequence(vec![t]))))),
            ("optional(tensor(float))", Value::Optional(None)),
            ("map(int64,tensor(float))", Value::Map(Box::new(map.clone()))),
            ("seq(map(int64,tensor(float)))", Value::Sequence(vec![Value::Map(Box::new(map))])),
        ];
        for (ty, v) in cases {
            let bytes: Bytes = write("x", &v).into();
            assert_eq!(read(&bytes, ty).as_ref(), Ok(&v), "{ty}");
        }
    }
}
