"""Einsum."""
import numpy as np

F = np.float32


def cases(add):
    r = np.random.default_rng(10)
    f = lambda *s: np.round(r.standard_normal(s), 3).astype(F)

    def e(equation, *x, v=12, **kw):
        with np.errstate(all="ignore"):
            expect = np.einsum(equation.replace(" ", ""), *x, dtype=kw.pop("dtype", None)).astype(x[0].dtype)
        add("Einsum", v, list(x), [expect], equation=equation, **{"tolerance": 1e-5} | kw)

    for v in (12, 28):
        e("ij,jk->ik", f(2, 3), f(3, 4), v=v)
        e("...ij,...jk->...ik", f(2, 2, 3), f(2, 3, 4), v=v)
    e("ij->ji", f(2, 3))
    e("ij->i", f(2, 3))
    e("ij->", f(2, 3))
    e("ii->i", f(3, 3))
    e("ii", f(3, 3))
    e("bij, bjk -> bik", f(2, 2, 3), f(2, 3, 4))
    e("i,i", f(4), f(4))
    e("i,j->ij", f(2), f(3))
    e("...ii ->...i", f(2, 3, 3))
    e("bhqd,bhkd->bhqk", f(1, 2, 3, 4), f(1, 2, 5, 4))
    e("ab,bc,cd->ad", f(2, 3), f(3, 4), f(4, 2))
    e("ab,bc,ac->b", f(2, 3), f(3, 4), f(2, 4))
    e("...a,...a->...", f(2, 1, 3), f(4, 3))
    e("ba,cb", f(2, 3), f(4, 2))
    e(",i->i", f(), f(3))
    e("ij,jk->ik", np.array([[1, 2], [3, 4]], np.int32), np.array([[1, -1], [2, 0]], np.int32))
    e("ij,jk->ik", f(2, 3).astype(np.float64), f(3, 2).astype(np.float64), tolerance=1e-12)
    e("ij,jk->ik", f(2, 3).astype(np.float16), f(3, 2).astype(np.float16), tolerance=4e-3, dtype=np.float32)
    e("ij,jk->ik", f(2, 0), f(0, 2))
