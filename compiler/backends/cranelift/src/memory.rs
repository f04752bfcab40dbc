//! Memory: addresses, loads and stores whole or masked, gathers and scatters, the caller's heap.
//!
//! Masked accesses first try the common case, all lanes set. Else lanes go one by one without branches: an unset lane
//! touches 64 bytes of the stack frame instead, so no address outside of a buffer is ever used.

use crate::func::Translator;
use crate::rep::{Rep, scalar_type};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, AbiParam, Endianness, GlobalValueData, InstBuilder, MemFlagsData, Signature, types};
use onnxc_base::DType;
use onnxc_ir::loops::{BinOp, Buf, BufKind, Op, Ty, Value};

/// Flags of every access: it can't trap, and is aligned to an element only.
pub(crate) fn plain() -> MemFlagsData {
    MemFlagsData::new().with_notrap().with_endianness(Endianness::Little)
}

impl Translator<'_, '_> {
    /// Flags for an access to a buffer.
    fn flags(&self, buf: Buf) -> MemFlagsData {
        match self.func.bufs[buf].kind {
            BufKind::Const(_) => plain().with_readonly(),
            _ => plain(),
        }
    }

    /// An i64 as wide as an address.
    pub fn pointer_sized(&mut self, v: ir::Value) -> ir::Value {
        if self.cx.pointer == types::I32 { self.b.ins().ireduce(types::I32, v) } else { v }
    }

    /// The address of a buffer.
    pub fn address(&mut self, buf: Buf) -> ir::Value {
        if let BufKind::Const(id) = self.func.bufs[buf].kind {
            return self.constant_address(self.cx.constants.offset(id));
        }
        if let Some(var) = self.pointers[buf] {
            return self.b.use_var(var);
        }
        match self.addresses[buf] {
            Some(v) => v,
            None => {
                self.fail(format!("buffer {buf} is used before it has memory"));
                self.int(self.cx.pointer, 0)
            }
        }
    }

    /// Small offsets go into the instruction that forms the address, which reaches 2 GiB in all.
    fn constant_address(&mut self, offset: u64) -> ir::Value {
        let near = i32::try_from(offset).ok().filter(|&o| o < 1 << 30);
        let global = match (near, self.b.func.global_values[self.constants].clone()) {
            (Some(o), GlobalValueData::Symbol { name, colocated, tls, .. }) if o != 0 => {
                let data = GlobalValueData::Symbol { name, offset: i64::from(o).into(), colocated, tls };
                let known = self.b.func.global_values.iter().find(|(_, d)| same_symbol(d, i64::from(o)));
                match known.map(|(gv, _)| gv) {
                    Some(gv) => gv,
                    None => self.b.create_global_value(data),
                }
            }
            _ => self.constants,
        };
        let base = self.b.ins().symbol_value(self.cx.pointer, global);
        if near.is_some() {
            return base;
        }
        let offset = self.int(self.cx.pointer, offset as i64);
        self.b.ins().iadd(base, offset)
    }

    /// An element's address as a base and a constant number of bytes that instructions can hold.
    pub fn element(&mut self, buf: Buf, offset: Value) -> (ir::Value, i32) {
        let size = self.func.bufs[buf].dtype.size() as i64;
        let (rest, constant) = self.split(offset);
        let fits = constant.checked_mul(size).and_then(|b| i32::try_from(b).ok()).filter(|b| b.abs() < 1 << 30);
        let (rest, at) = match fits {
            Some(at) => (rest, at),
            None => (Some(offset), 0),
        };
        let base = self.address(buf);
        let Some(rest) = rest else { return (base, at) };
        let index = self.scalar(rest);
        let index = self.pointer_sized(index);
        (self.scaled(base, index, size), at)
    }

    fn scaled(&mut self, base: ir::Value, index: ir::Value, size: i64) -> ir::Value {
        let bytes = match size {
            1 => index,
            _ => {
                let shift = self.int(self.cx.pointer, i64::from(size.trailing_zeros()));
                self.b.ins().ishl(index, shift)
            }
        };
        self.b.ins().iadd(base, bytes)
    }

    /// `x + 3 - 1` as `x` and 2; no value if all of it is constant.
    fn split(&self, v: Value) -> (Option<Value>, i64) {
        let mut sum = 0i64;
        let mut v = v;
        for _ in 0..16 {
            if let Some(c) = self.constant(v) {
                return (None, sum.wrapping_add(c));
            }
            match self.func.values[v].op {
                Op::Binary(BinOp::Add, a, b) if self.constant(b).is_some() => {
                    sum = sum.wrapping_add(self.constant(b).unwrap_or(0));
                    v = a;
                }
                Op::Binary(BinOp::Add, a, b) if self.constant(a).is_some() => {
                    sum = sum.wrapping_add(self.constant(a).unwrap_or(0));
                    v = b;
                }
                Op::Binary(BinOp::Sub, a, b) if self.constant(b).is_some() => {
                    sum = sum.wrapping_sub(self.constant(b).unwrap_or(0));
                    v = a;
                }
                _ => break,
            }
        }
        (Some(v), sum)
    }

    /// `Op::Load`.
    pub fn load(&mut self, ty: Ty, buf: Buf, offset: Value, mask: Option<Value>) -> Rep {
        let Some(mask) = mask else {
            let (base, at) = self.element(buf, offset);
            return self.load_all(ty, base, at, self.flags(buf));
        };
        let (base, at) = self.element(buf, offset);
        let flags = self.flags(buf);
        let mask = self.rep(mask);
        let all = self.all_set(&mask, ty.lanes);
        let (fast, slow, after) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        self.b.ins().brif(all, fast, &[], slow, &[]);
        self.b.switch_to_block(fast);
        self.b.seal_block(fast);
        let whole = self.load_all(ty, base, at, flags);
        let whole = self.canonical(whole, ty);
        let params: Vec<ir::Value> = whole
            .parts
            .iter()
            .map(|&p| self.b.func.dfg.value_type(p))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|t| self.b.append_block_param(after, t))
            .collect();
        self.jump_with(after, &whole.parts);
        self.b.switch_to_block(slow);
        self.b.seal_block(slow);
        let size = ty.elem.size() as i32;
        let addresses: Vec<(ir::Value, i32)> = (0..i32::from(ty.lanes)).map(|i| (base, at + i * size)).collect();
        let lanes = self.load_lanes(ty, &addresses, Some(&mask), flags);
        let lanes = self.with_lanes(ty, lanes);
        self.jump_with(after, &lanes.parts);
        self.b.switch_to_block(after);
        self.b.seal_block(after);
        Rep { width: whole.width, parts: params }
    }

    fn jump_with(&mut self, to: ir::Block, args: &[ir::Value]) {
        let args: Vec<ir::BlockArg> = args.iter().map(|&v| v.into()).collect();
        self.b.ins().jump(to, &args);
    }

    /// Bytes next to each other, in the canonical form.
    fn load_all(&mut self, ty: Ty, base: ir::Value, at: i32, flags: MemFlagsData) -> Rep {
        let width = self.width(ty);
        let part = self.part_type(ty).unwrap_or(types::I64);
        let n = crate::rep::part_count(ty.lanes, width);
        let parts = (0..n as i32)
            .map(|i| {
                let v = self.b.ins().load(part, flags, base, at + i * part.bytes() as i32);
                if ty.elem == DType::Bool && width != 0 { self.mask_from_bytes(v) } else { v }
            })
            .collect();
        Rep { width, parts }
    }

    /// One load per lane, 0 where the mask is unset.
    fn load_lanes(
        &mut self,
        ty: Ty,
        addresses: &[(ir::Value, i32)],
        mask: Option<&Rep>,
        flags: MemFlagsData,
    ) -> Vec<ir::Value> {
        let part = scalar_type(ty.elem).unwrap_or(types::I64);
        let mask = mask.map(|m| self.mask_lanes(m, ty.lanes));
        let mut out = Vec::with_capacity(addresses.len());
        for (i, &(base, at)) in addresses.iter().enumerate() {
            let Some(set) = mask.as_ref().map(|m| m[i]) else {
                out.push(self.b.ins().load(part, flags, base, at));
                continue;
            };
            let address = self.masked_address(set, base, at);
            let v = self.b.ins().load(part, plain(), address, 0);
            let zero = self.zero(part);
            out.push(self.b.ins().select(set, v, zero));
        }
        out
    }

    fn masked_address(&mut self, set: ir::Value, base: ir::Value, at: i32) -> ir::Value {
        let at = self.int(self.cx.pointer, i64::from(at));
        let real = self.b.ins().iadd(base, at);
        let dummy = self.dummy();
        self.b.ins().select(set, real, dummy)
    }

    /// True if every lane of a mask is set.
    fn all_set(&mut self, mask: &Rep, lanes: u16) -> ir::Value {
        let mut parts = mask.parts.clone();
        if mask.width == 0 {
            parts.dedup();
            return parts.into_iter().reduce(|a, v| self.b.ins().band(a, v)).unwrap_or(mask.parts[0]);
        }
        debug_assert_eq!(parts.len(), crate::rep::part_count(lanes, mask.width), "masks keep their lanes");
        let both = parts.drain(1..).collect::<Vec<_>>().into_iter().fold(mask.parts[0], |a, v| self.b.ins().band(a, v));
        let bytes = self.recast(types::I8X16, both);
        self.b.ins().vall_true(bytes)
    }

    /// `Stmt::Store`.
    pub fn store(&mut self, buf: Buf, offset: Value, value: Value, mask: Option<Value>) {
        let ty = self.func.values[value].ty;
        let rep = self.rep(value);
        let rep = self.canonical(rep, ty);
        let (base, at) = self.element(buf, offset);
        let Some(mask) = mask else { return self.store_all(ty, &rep, base, at) };
        let mask = self.rep(mask);
        let all = self.all_set(&mask, ty.lanes);
        let (fast, slow, after) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        self.b.ins().brif(all, fast, &[], slow, &[]);
        self.b.switch_to_block(fast);
        self.b.seal_block(fast);
        self.store_all(ty, &rep, base, at);
        self.b.ins().jump(after, &[]);
        self.b.switch_to_block(slow);
        self.b.seal_block(slow);
        let size = ty.elem.size() as i32;
        let addresses: Vec<(ir::Value, i32)> = (0..i32::from(ty.lanes)).map(|i| (base, at + i * size)).collect();
        self.store_lanes(ty, &rep, &addresses, Some(&mask));
        self.b.ins().jump(after, &[]);
        self.b.switch_to_block(after);
        self.b.seal_block(after);
    }

    fn store_all(&mut self, ty: Ty, rep: &Rep, base: ir::Value, mut at: i32) {
        for &p in &rep.parts {
            let p = if ty.elem == DType::Bool && rep.width != 0 {
                let one = self.int(types::I8X16, 1);
                self.b.ins().band(p, one)
            } else {
                p
            };
            self.b.ins().store(plain(), p, base, at);
            at += self.b.func.dfg.value_type(p).bytes() as i32;
        }
    }

    fn store_lanes(&mut self, ty: Ty, rep: &Rep, addresses: &[(ir::Value, i32)], mask: Option<&Rep>) {
        let lanes = self.lanes(rep, ty);
        let mask = mask.map(|m| self.mask_lanes(m, ty.lanes));
        for (i, (&v, &(base, at))) in lanes.iter().zip(addresses).enumerate() {
            match mask.as_ref().map(|m| m[i]) {
                None => self.b.ins().store(plain(), v, base, at),
                Some(set) => {
                    let address = self.masked_address(set, base, at);
                    self.b.ins().store(plain(), v, address, 0)
                }
            };
        }
    }

    /// The address of each lane's element.
    fn lane_addresses(&mut self, buf: Buf, offsets: Value) -> Vec<(ir::Value, i32)> {
        let ty = self.func.values[offsets].ty;
        let size = self.func.bufs[buf].dtype.size() as i64;
        let base = self.address(buf);
        let rep = self.rep(offsets);
        let lanes = self.lanes(&rep, ty);
        let wide = |t: &mut Self, v: ir::Value| match (ty.elem.bits(), t.cx.pointer.bits()) {
            (32, 64) => t.b.ins().sextend(types::I64, v),
            (64, 32) => t.b.ins().ireduce(types::I32, v),
            _ => v,
        };
        lanes
            .into_iter()
            .map(|v| {
                let index = wide(self, v);
                (self.scaled(base, index, size), 0)
            })
            .collect()
    }

    /// `Op::Gather`.
    pub fn gather(&mut self, ty: Ty, buf: Buf, offsets: Value, mask: Option<Value>) -> Rep {
        let addresses = self.lane_addresses(buf, offsets);
        let mask = mask.map(|m| self.rep(m));
        let flags = self.flags(buf);
        let lanes = self.load_lanes(ty, &addresses, mask.as_ref(), flags);
        self.with_lanes(ty, lanes)
    }

    /// `Stmt::Scatter`: in lane order, so that the last of equal offsets stays.
    pub fn scatter(&mut self, buf: Buf, offsets: Value, value: Value, mask: Option<Value>) {
        let addresses = self.lane_addresses(buf, offsets);
        let (rep, mask) = (self.rep(value), mask.map(|m| self.rep(m)));
        self.store_lanes(self.func.values[value].ty, &rep, &addresses, mask.as_ref());
    }

    /// `Stmt::Alloc` from the caller's allocator: `alloc(context, max(bytes, 1))`.
    pub fn heap_alloc(&mut self, buf: Buf, count: Value) {
        let Some(allocator) = self.allocator() else { return };
        let pointer = self.cx.pointer;
        let count = self.scalar(count);
        let count = self.pointer_sized(count);
        let size = self.func.bufs[buf].dtype.size() as i64;
        let most = (i64::MAX >> (64 - pointer.bits())) / size;
        let (most, size, all, one) =
            (self.int(pointer, most), self.int(pointer, size), self.int(pointer, -1), self.int(pointer, 1));
        let product = self.b.ins().imul(count, size);
        let product = self.b.ins().umax(product, one);
        // A count that no memory holds (or a negative one) asks for more than there can be.
        let fits = self.b.ins().icmp(IntCC::UnsignedLessThanOrEqual, count, most);
        let bytes = self.b.ins().select(fits, product, all);
        let (alloc, context) = self.allocator_field(allocator, 0);
        let mut sig = Signature::new(self.cx.call_conv);
        sig.params.extend([AbiParam::new(pointer), AbiParam::new(pointer)]);
        sig.returns.push(AbiParam::new(pointer));
        let sig = self.b.import_signature(sig);
        let call = self.b.ins().call_indirect(sig, alloc, &[context, bytes]);
        self.addresses[buf] = Some(self.b.inst_results(call)[0]);
    }

    /// `Stmt::Free`: `release(context, address)` unless the address is null.
    pub fn heap_free(&mut self, buf: Buf) {
        let Some(allocator) = self.allocator() else { return };
        let address = self.address(buf);
        let (some, after) = (self.b.create_block(), self.b.create_block());
        self.b.ins().brif(address, some, &[], after, &[]);
        self.b.switch_to_block(some);
        self.b.seal_block(some);
        let (release, context) = self.allocator_field(allocator, 1);
        let mut sig = Signature::new(self.cx.call_conv);
        sig.params.extend([AbiParam::new(self.cx.pointer), AbiParam::new(self.cx.pointer)]);
        let sig = self.b.import_signature(sig);
        self.b.ins().call_indirect(sig, release, &[context, address]);
        self.b.ins().jump(after, &[]);
        self.b.switch_to_block(after);
        self.b.seal_block(after);
    }

    /// A function of an `onnxc_allocator`, and its context.
    fn allocator_field(&mut self, allocator: ir::Value, index: i32) -> (ir::Value, ir::Value) {
        let bytes = self.cx.pointer.bytes() as i32;
        let function = self.b.ins().load(self.cx.pointer, plain(), allocator, index * bytes);
        let context = self.b.ins().load(self.cx.pointer, plain(), allocator, 2 * bytes);
        (function, context)
    }

    /// `Op::IsNull`.
    pub fn is_null(&mut self, buf: Buf) -> Rep {
        let address = self.address(buf);
        let null = self.int(self.cx.pointer, 0);
        Rep::scalar(self.b.ins().icmp(IntCC::Equal, address, null))
    }
}

fn same_symbol(data: &GlobalValueData, at: i64) -> bool {
    matches!(data, GlobalValueData::Symbol { offset, .. } if offset.bits() == at)
}
