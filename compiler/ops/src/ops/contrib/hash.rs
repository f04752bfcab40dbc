//! MurmurHash3 of com.microsoft: a hash of 32 bits of each element's bytes, by Austin Appleby's function of that name.
//!
//! Numbers are words of 4 or 8 bytes, the low ones first; strings are hashed by the runtime. The hash is `u32` where
//! attribute `positive` is 1, else `i32`; `seed` is what it starts from.

use super::super::movement::product;
use super::super::routines::nest;
use super::DOMAIN;
use crate::handles::Operand;
use crate::prelude::*;
use onnxc_ir::loops::{FuncBuilder, Op, Ty, Value};

/// MurmurHash3.
pub static DEF: OpDef = OpDef {
    domain: DOMAIN,
    name: "MurmurHash3",
    versions: &[(1, import)],
    infer,
    lower: Lower::Routine(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let [positive, seed] = [n.int("positive", 1)?, n.int("seed", 0)?];
    Ok(Attrs::default().with("positive", Attr::Int(positive)).with("seed", Attr::Int(seed)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = cx.input_type(0)?;
    let of_words = matches!(x.dtype, DType::I32 | DType::U32 | DType::I64 | DType::U64 | DType::F32 | DType::F64);
    if !of_words && x.dtype != DType::String {
        return Err(cx
            .error("E2022", format!("input 0 is of dtype {}", x.dtype))
            .expected("i32, u32, i64, u64, f32, f64 or string"));
    }
    let signed = cx.attrs().int("positive") == Some(0);
    cx.set_tensor(0, if signed { DType::I32 } else { DType::U32 }, x.shape);
    Ok(())
}

/// Of strings.
pub(crate) fn expand(cx: &mut RuntimeCx) -> Result<()> {
    let [seed, positive] = ["seed", "positive"].map(|a| Operand::Int(cx.attrs().int(a).unwrap_or(0)));
    let x = cx.handle(0);
    let y = cx.call("string_hash", &[x, seed, positive]);
    cx.set(0, y);
    Ok(())
}

fn lower(cx: &mut RoutineCx) -> Result<()> {
    let (x, y, seed) = (cx.input(0), cx.output(0), cx.attrs().int("seed").unwrap_or(0));
    let f = &mut *cx.f;
    let count = f.sym(&product(&x.shape));
    nest(f, &[count], &mut |f, i| {
        let v = f.load(x.buf, i[0], 1, None);
        let words = words(f, v);
        let hash = murmur(f, seed, &words);
        let hash = f.cast(hash, y.dtype);
        f.store(y.buf, i[0], hash, None);
    });
    Ok(())
}

/// The bits of a number, as numbers of 32 bits.
fn words(f: &mut FuncBuilder, v: Value) -> Vec<Value> {
    let dtype = f.ty(v).elem;
    let all = if dtype.size() == 8 { DType::U64 } else { DType::U32 };
    let bits = if dtype.is_float() { f.op(Ty::scalar(all), Op::Bitcast(v)) } else { f.cast(v, all) };
    if all == DType::U32 {
        return vec![bits];
    }
    let half = f.scalar(Scalar::from_i64(DType::U64, 32));
    let high = f.binary(BinOp::Shr, bits, half);
    [bits, high].map(|w| f.cast(w, DType::U32)).to_vec()
}

fn murmur(f: &mut FuncBuilder, seed: i64, words: &[Value]) -> Value {
    let mut hash = word(f, seed);
    for &w in words {
        let k = times(f, w, 0xcc9e_2d51);
        let k = rotated(f, k, 15);
        let k = times(f, k, 0x1b87_3593);
        hash = f.binary(BinOp::Xor, hash, k);
        hash = rotated(f, hash, 13);
        hash = times(f, hash, 5);
        let more = word(f, 0xe654_6b64);
        hash = f.add(hash, more);
    }
    let bytes = word(f, 4 * words.len() as i64);
    hash = f.binary(BinOp::Xor, hash, bytes);
    for (by, factor) in [(16, 0x85eb_ca6b), (13, 0xc2b2_ae35), (16, 1)] {
        let by = word(f, by);
        let shifted = f.binary(BinOp::Shr, hash, by);
        hash = f.binary(BinOp::Xor, hash, shifted);
        hash = times(f, hash, factor);
    }
    hash
}

fn word(f: &mut FuncBuilder, v: i64) -> Value {
    f.scalar(Scalar::from_i64(DType::U32, i64::from(v as u32)))
}

fn times(f: &mut FuncBuilder, a: Value, b: i64) -> Value {
    let b = word(f, b);
    f.mul(a, b)
}

/// The bits moved to the left, those that fall off coming back on the right.
fn rotated(f: &mut FuncBuilder, a: Value, by: i64) -> Value {
    let (left, right) = (word(f, by), word(f, 32 - by));
    let (left, right) = (f.binary(BinOp::Shl, a, left), f.binary(BinOp::Shr, a, right));
    f.binary(BinOp::Or, left, right)
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_hash");
    }
}
