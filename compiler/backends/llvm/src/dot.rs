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
