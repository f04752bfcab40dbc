//! Between the two forms of a value: lanes in and out of chunks, masks of one width to another.

use crate::func::Translator;
use crate::rep::{Rep, chunk_type, int_type, mask_type, part_count, scalar_type};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value, condcodes::IntCC, types};
use onnxc_base::DType;
use onnxc_ir::loops::Ty;

impl Translator<'_, '_> {
    /// An integer constant in every lane of `ty` (scalar or vector).
    pub fn int(&mut self, ty: Type, value: i64) -> Value {
        let lane = ty.lane_type();
        let bits = if lane.bits() == 64 { value } else { value & ((1i64 << lane.bits()) - 1) };
        let scalar = self.b.ins().iconst(lane, bits);
        if ty.is_vector() { self.b.ins().splat(ty, scalar) } else { scalar }
    }

    /// The same bits under another CLIF type of the same size.
    pub fn recast(&mut self, ty: Type, v: Value) -> Value {
        if self.b.func.dfg.value_type(v) == ty {
            return v;
        }
        let flags = MemFlagsData::new().with_endianness(cranelift_codegen::ir::Endianness::Little);
        self.b.ins().bitcast(ty, flags, v)
    }

    /// Lane `i` as a scalar; bools as 0 or 1.
    pub fn lane(&mut self, rep: &Rep, elem: DType, i: usize) -> Value {
        if rep.width == 0 {
            return rep.parts[i];
        }
        let per = 128 / rep.width as usize;
        let v = self.b.ins().extractlane(rep.parts[i / per], (i % per) as u8);
        if elem != DType::Bool {
            return v;
        }
        let narrow = if rep.width > 8 { self.b.ins().ireduce(types::I8, v) } else { v };
        let one = self.int(types::I8, 1);
        self.b.ins().band(narrow, one)
    }

    /// Every lane as a scalar.
    pub fn lanes(&mut self, rep: &Rep, ty: Ty) -> Vec<Value> {
        (0..usize::from(ty.lanes)).map(|i| self.lane(rep, ty.elem, i)).collect()
    }

    /// Scalars, one per lane, in the canonical form of `ty`.
    pub fn with_lanes(&mut self, ty: Ty, lanes: Vec<Value>) -> Rep {
        let width = self.width(ty);
        if width == 0 {
            return Rep::scalars(lanes);
        }
        if ty.elem == DType::Bool {
            return self.mask_of_width(&Rep::scalars(lanes), ty.lanes, width);
        }
        let Some(scalar) = scalar_type(ty.elem) else { return Rep::scalars(lanes) };
        Rep::packed(width, self.pack(chunk_type(scalar), &lanes))
    }

    fn pack(&mut self, chunk: Type, lanes: &[Value]) -> Vec<Value> {
        let per = chunk.lane_count() as usize;
        lanes
            .chunks(per)
            .map(|part| {
                if part.iter().all(|&v| v == part[0]) {
                    return self.b.ins().splat(chunk, part[0]);
                }
                // x86 has no move of 8 or 16 bits into a vector register.
                let small = chunk.lane_bits() < 32;
                let first = part[0];
                let mut acc =
                    if small { self.b.ins().splat(chunk, first) } else { self.b.ins().scalar_to_vector(chunk, first) };
                for (i, &v) in part.iter().enumerate().skip(1) {
                    acc = self.b.ins().insertlane(acc, v, i as u8);
                }
                acc
            })
            .collect()
    }

    /// A bool value as 0 / -1 lanes of `width` bits, where `lanes * width` is at least 128.
    pub fn mask_of_width(&mut self, rep: &Rep, lanes: u16, width: u32) -> Rep {
        if rep.width == width {
            return rep.clone();
        }
        if rep.width == 0 {
            let lane = int_type(width);
            // Equal scalars become equal masks, and those a splat.
            let mut masks: Vec<Value> = Vec::with_capacity(rep.parts.len());
            for (i, &v) in rep.parts.iter().enumerate() {
                let same = rep.parts[..i].iter().position(|&u| u == v);
                masks.push(match same {
                    Some(j) => masks[j],
                    None => self.b.ins().bmask(lane, v),
                });
            }
            return Rep::packed(width, self.pack(mask_type(width), &masks));
        }
        let mut parts = rep.parts.clone();
        let mut from = rep.width;
        while from < width {
            parts = self.widen(&parts, from, true);
            from *= 2;
        }
        while from > width {
            parts = self.narrow(&parts, from);
            from /= 2;
        }
        debug_assert_eq!(parts.len(), part_count(lanes, width), "masks keep their lanes");
        Rep::packed(width, parts)
    }

    /// A bool value as one 0 / 1 scalar per lane.
    pub fn mask_lanes(&mut self, rep: &Rep, lanes: u16) -> Vec<Value> {
        self.lanes(rep, Ty::vector(DType::Bool, lanes))
    }

    /// Integer chunks with lanes twice as wide: twice as many chunks.
    pub fn widen(&mut self, parts: &[Value], from: u32, signed: bool) -> Vec<Value> {
        let ty = mask_type(from);
        let mut out = Vec::with_capacity(parts.len() * 2);
        for &p in parts {
            let p = self.recast(ty, p);
            let (low, high) = if signed {
                (self.b.ins().swiden_low(p), self.b.ins().swiden_high(p))
            } else {
                (self.b.ins().uwiden_low(p), self.b.ins().uwiden_high(p))
            };
            out.extend([low, high]);
        }
        out
    }

    /// Integer chunks with lanes half as wide, the low halves kept: half as many chunks.
    pub fn narrow(&mut self, parts: &[Value], from: u32) -> Vec<Value> {
        let (bytes, half) = (from as usize / 8, from as usize / 16);
        let mask: Vec<u8> = (0..32 / bytes).flat_map(|lane| (0..half).map(move |b| (lane * bytes + b) as u8)).collect();
        parts
            .chunks(2)
            .map(|pair| {
                let v = self.shuffle_bytes(pair[0], pair[pair.len() - 1], &mask);
                self.recast(mask_type(from / 2), v)
            })
            .collect()
    }

    /// Bytes picked from two chunks, as I8X16.
    pub fn shuffle_bytes(&mut self, a: Value, b: Value, mask: &[u8]) -> Value {
        let (a, b) = (self.recast(types::I8X16, a), self.recast(types::I8X16, b));
        let mask = self.b.func.dfg.immediates.push(mask.to_vec().into());
        self.b.ins().shuffle(a, b, mask)
    }

    /// 0 / 1 bytes as a mask.
    pub fn mask_from_bytes(&mut self, bytes: Value) -> Value {
        let zero = self.int(types::I8X16, 0);
        self.b.ins().icmp(IntCC::NotEqual, bytes, zero)
    }
}
