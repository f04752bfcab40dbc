/* What compilers call and have in a runtime elsewhere. Compiled once for each function, which WANTED_name asks for, as LLVM has
   the literals of others out of reach. */
#include <stdint.h>
#define ALONE static inline __attribute__((always_inline))
typedef union { float f; uint32_t u; } word;
typedef union { int64_t i; uint64_t u; struct { uint32_t low, high; } w; } wide;

/* Bit by bit: a quotient, and what is left. */
ALONE uint64_t divide(uint64_t a, uint64_t b, uint64_t *left) {
  uint64_t q = 0, rest = 0;
  for (int i = 63; i >= 0; i--) {
    rest = rest << 1 | (a >> i & 1);
    q <<= 1;
    if (rest >= b) { rest -= b; q |= 1; }
  }
  *left = rest;
  return q;
}
ALONE uint32_t divide32(uint32_t a, uint32_t b) {
  uint32_t q = 0, rest = 0;
  for (int i = 31; i >= 0; i--) {
    rest = rest << 1 | (a >> i & 1);
    q <<= 1;
    if (rest >= b) { rest -= b; q |= 1; }
  }
  return q;
}

#ifdef WANTED_udivsi3
uint32_t __udivsi3(uint32_t a, uint32_t b) { return divide32(a, b); }
#endif
#ifdef WANTED_divsi3
int32_t __divsi3(int32_t a, int32_t b) {
  uint32_t q = divide32(a < 0 ? 0 - (uint32_t)a : (uint32_t)a, b < 0 ? 0 - (uint32_t)b : (uint32_t)b);
  return (int32_t)((a < 0) != (b < 0) ? 0 - q : q);
}
#endif
#ifdef WANTED_udivdi3
uint64_t __udivdi3(uint64_t a, uint64_t b) { uint64_t left; return divide(a, b, &left); }
#endif
#ifdef WANTED_umoddi3
uint64_t __umoddi3(uint64_t a, uint64_t b) { uint64_t left; divide(a, b, &left); return left; }
#endif
#ifdef WANTED_muldi3
int64_t __muldi3(int64_t a, int64_t b) {
  wide x, y, r;
  x.i = a; y.i = b;
  /* The lower halves' product from quarters; of the others only the lower half counts. */
  uint32_t x0 = x.w.low & 0xffff, x1 = x.w.low >> 16, y0 = y.w.low & 0xffff, y1 = y.w.low >> 16;
  uint32_t low = x0 * y0, mid = x1 * y0 + (low >> 16), other = x0 * y1 + (mid & 0xffff);
  r.w.low = other << 16 | (low & 0xffff);
  r.w.high = x1 * y1 + (mid >> 16) + (other >> 16) + x.w.high * y.w.low + x.w.low * y.w.high;
  return r.i;
}
#endif
#ifdef WANTED_divsf3
/* Of normal floats, rounded to nearest, ties to even. Quotients that are no normal numbers become 0 or infinity. */
float __divsf3(float a, float b) {
  word x, y, r;
  x.f = a; y.f = b;
  uint32_t sign = (x.u ^ y.u) & 0x80000000u, rest = (x.u & 0x7fffff) | 0x800000, by = (y.u & 0x7fffff) | 0x800000, q = 0;
  int e = (int)(x.u >> 23 & 255) - (int)(y.u >> 23 & 255) + 127;
  if ((x.u & 0x7f800000) == 0) { r.u = sign; return r.f; }
  if (rest < by) { rest <<= 1; e--; }
  /* 24 bits, and one to round by. */
  for (int i = 0; i < 25; i++) { q <<= 1; if (rest >= by) { rest -= by; q |= 1; } rest <<= 1; }
  uint32_t up = (q & 1) && (rest || (q & 2));
  q = (q >> 1) + up;
  if (q == 0x1000000) { q >>= 1; e++; }
  r.u = e <= 0 ? sign : e >= 255 ? sign | 0x7f800000 : sign | (uint32_t)e << 23 | (q & 0x7fffff);
  return r.f;
}
#endif
