//! Sums of products of narrow integers.
//!
//! Does NOT choose how many: the schedule has, for what the target can do.

use crate::emit::{Emit, Val, lanes};
use crate::error::Res;
use inkwell::values::InstructionOpcode as I;
use onnxc_base::DType;

impl<'c> Emit<'c> {
    /// c plus the products of a and b, a group of lanes for each lane of c.
    pub fn dot(&self, (a, x): (Val<'c>, DType), (b, y): (Val<'c>, DType), c: Val<'c>) -> Res<Val<'c>> {
        let bytes = |d: DType| d.is_int() && d.bits() == 8;
        if self.abilities.pairs && bytes(x) && bytes(y) && (lanes(a), lanes(c)) == (4, 1) {
            return self.dot_of_pairs((a, x), (b, y), c);
        }
        if self.abilities.whole_vectors
            && bytes(x)
            && bytes(y)
            && lanes(c) == 1
            && let Some(sum) = self.dot_of_vectors((a, x), (b, y), c)?
        {
            return Ok(sum);
        }
        if bytes(x)
            && bytes(y)
            && lanes(a) == 4 * lanes(c)
            && let Some(sum) = self.dot_of_lanes((a, x), (b, y), c)?
        {
            return Ok(sum);
        }
        let (a, b) = (self.cast(a, x, DType::I32)?, self.cast(b, y, DType::I32)?);
        let (n, all) = (lanes(c), lanes(a));
        let products = self.op(I::Mul, a, b)?;
        if n == 1 && all > 1 {
            // One intrinsic, which instruction selection knows together with the product.
            let sum = self.intrinsic_value("llvm.vector.reduce.add", &[products.get_type()], &[products])?;
            return self.op(I::Add, c, sum);
        }
        // Neighbours are added until each group is one lane.
        let mut sums = products;
        while lanes(sums) > n {
            let half = lanes(sums) / 2;
            let pick = |odd: u16| (0..half).map(|i| 2 * i + odd).collect::<Vec<_>>();
            let (even, odd) = (self.shuffle(sums, sums, &pick(0))?, self.shuffle(sums, sums, &pick(1))?);
            sums = self.op(I::Add, even, odd)?;
        }
        self.op(I::Add, c, sums)
    }

    /// Sixteen bytes of one kind, or eight or four that are widened as they are loaded. By name: instruction selection knows
    /// the sum of products only where both factors have no other use.
    fn dot_of_vectors(&self, (a, x): (Val<'c>, DType), (b, y): (Val<'c>, DType), c: Val<'c>) -> Res<Option<Val<'c>>> {
        let (wide, unsigned) = match lanes(a) {
            16 if x == y => (x, !x.is_signed_int()),
            8 => (DType::I16, false),
            4 => (DType::I32, false),
            _ => return Ok(None),
        };
        let (a, b) = (self.cast(a, x, wide)?, self.cast(b, y, wide)?);
        let flag = |on: bool| self.cx.i32_type().const_int(u64::from(on), false).into();
        let args = [flag(unsigned), flag(false), flag(false), c, a, b];
        self.intrinsic_value("llvm.arm.mve.vmldava", &[a.get_type()], &args).map(Some)
    }

    /// Four bytes by four in each lane, if there are instructions for so many lanes and these signs.
    fn dot_of_lanes(&self, (a, x): (Val<'c>, DType), (b, y): (Val<'c>, DType), c: Val<'c>) -> Res<Option<Val<'c>>> {
        let (can, n) = (self.abilities.lanes_of_bytes, lanes(c));
        let wide = matches!(n, 4 | 8 | 16);
        let (signed, other) = (x.is_signed_int(), y.is_signed_int());
        if wide && n <= can.vnni && signed != other {
            let (unsigned, signed) = if signed { (b, a) } else { (a, b) };
            let name = format!("llvm.x86.avx512.vpdpbusd.{}", 32 * n);
            return self.intrinsic_value(&name, &[], &[c, unsigned, signed]).map(Some);
        }
        if n == can.neon && n == 4 && signed == other {
            let name = if signed { "llvm.aarch64.neon.sdot" } else { "llvm.aarch64.neon.udot" };
            return self.intrinsic_value(name, &[c.get_type(), a.get_type()], &[c, a, b]).map(Some);
        }
        if wide && n <= can.pairs {
            return self.dot_of_halves((a, x), (b, y), c).map(Some);
        }
        Ok(None)
    }

    /// As VPMADDWD does it: bytes 0 and 2 of each lane as 16-bit integers, then 1 and 3. No product of two bytes is too large
    /// for it, whatever their signs.
    fn dot_of_halves(&self, (a, x): (Val<'c>, DType), (b, y): (Val<'c>, DType), c: Val<'c>) -> Res<Val<'c>> {
        let half = self.cx.i16_type().vec_type(2 * u32::from(lanes(c)));
        let halves = |v: Val<'c>, d: DType| -> Res<[Val<'c>; 2]> {
            let v = self.b.build_bit_cast(v, half, "")?;
            let eight = self.int_like(v, 8);
            if d.is_signed_int() {
                return Ok([self.op(I::AShr, self.op(I::Shl, v, eight)?, eight)?, self.op(I::AShr, v, eight)?]);
            }
            Ok([self.op(I::And, v, self.int_like(v, 255))?, self.op(I::LShr, v, eight)?])
        };
        let name = match lanes(c) {
            4 => "llvm.x86.sse2.pmadd.wd",
            8 => "llvm.x86.avx2.pmadd.wd",
            _ => "llvm.x86.avx512.pmaddw.d.512",
        };
        let ([a0, a1], [b0, b1]) = (halves(a, x)?, halves(b, y)?);
        let (even, odd) = (self.intrinsic_value(name, &[], &[a0, b0])?, self.intrinsic_value(name, &[], &[a1, b1])?);
        self.op(I::Add, self.op(I::Add, c, even)?, odd)
    }

    /// Four bytes by four: elements 0 and 2, then 1 and 3.
    fn dot_of_pairs(&self, (a, x): (Val<'c>, DType), (b, y): (Val<'c>, DType), c: Val<'c>) -> Res<Val<'c>> {
        let word = self.cx.i32_type();
        let halves = |v: Val<'c>, d: DType| -> Res<[Val<'c>; 2]> {
            let name = if d.is_signed_int() { "llvm.arm.sxtb16" } else { "llvm.arm.uxtb16" };
            let whole = self.b.build_bit_cast(v, word, "")?;
            let eight = self.int_like(whole, 8);
            let turned = self.intrinsic_value("llvm.fshr", &[word.into()], &[whole, whole, eight])?;
            Ok([self.intrinsic_value(name, &[], &[whole])?, self.intrinsic_value(name, &[], &[turned])?])
        };
        let ([a0, a1], [b0, b1]) = (halves(a, x)?, halves(b, y)?);
        let c = self.intrinsic_value("llvm.arm.smlad", &[], &[a0, b0, c])?;
        self.intrinsic_value("llvm.arm.smlad", &[], &[a1, b1, c])
    }
}
