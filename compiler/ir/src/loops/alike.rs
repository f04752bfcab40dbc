//! Functions that are the same code, whatever they and what is in them is called.

use super::{BufDef, Func, ParamKind, ValueDef, VarDef};

impl Func {
    /// True if both do the same with the same parameters: equal but for names and remarks for readers in front.
    pub fn same_code(&self, other: &Func) -> bool {
        let kinds = |f: &Func| f.params.iter().map(|p| p.kind).collect::<Vec<ParamKind>>();
        let value = |(a, b): (&ValueDef, &ValueDef)| a.ty == b.ty && a.op == b.op;
        let var = |(a, b): (&VarDef, &VarDef)| a.ty == b.ty && a.dims == b.dims;
        let buf = |(a, b): (&BufDef, &BufDef)| a.dtype == b.dtype && a.kind == b.kind;
        self.sizes() == other.sizes()
            && (kinds(self), self.ret, self.linkage) == (kinds(other), other.ret, other.linkage)
            && self.values.values().zip(other.values.values()).all(value)
            && self.vars.values().zip(other.vars.values()).all(var)
            && self.bufs.values().zip(other.bufs.values()).all(buf)
            && self.body == other.body
    }

    /// How many values, variables and buffers there are: functions of other sizes aren't the same code.
    pub fn sizes(&self) -> (usize, usize, usize) {
        (self.values.len(), self.vars.len(), self.bufs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::loops::FuncBuilder;
    use onnxc_base::DType;

    #[test]
    fn names_are_no_code() {
        let scale = |names: [&str; 3], factor: i64| {
            let mut b = FuncBuilder::new(names[0]);
            b.func.doc = names[0].into();
            let x = b.param_buf(names[1], DType::I64, true);
            let (zero, factor) = (b.int(0), b.int(factor));
            let v = b.load(x, zero, 1, None);
            let v = b.named(v, names[2]);
            let v = b.mul(v, factor);
            b.store(x, zero, v, None);
            b.finish()
        };
        let f = scale(["f", "x", "v"], 3);
        assert!(f.same_code(&scale(["g", "y", "w"], 3)));
        assert!(!f.same_code(&scale(["f", "x", "v"], 4)));
    }
}
