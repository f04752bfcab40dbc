/* As ../driver.c, for Xtensa: one function only, as LLVM has the literals of others out of reach. */
#include <stdint.h>
#include "io.h"
#define ALONE static inline __attribute__((always_inline))
extern void MODEL_ENTRY(const void *, void *, void *);
extern void semi_write(const char *, int);
extern void mark_start(void), mark_stop(void);
static float out[NOUT];
_Alignas(16) static uint8_t ws[WORKSPACE + 1];
ALONE void put_hex(uint32_t v) {
  char b[11];
  b[0] = 'O'; b[1] = ' '; b[10] = '\n';
  for (int i = 0; i < 8; i++) { uint32_t d = (v >> (28 - 4 * i)) & 15; b[2 + i] = (char)(d < 10 ? '0' + d : 'a' - 10 + d); }
  semi_write(b, 11);
}
int main(void) {
  mark_start();
  MODEL_ENTRY(INPUTS[0], out, ws);
  mark_stop();
  for (int c = 0; c < NCASE; c++) {
    MODEL_ENTRY(INPUTS[c], out, ws);
    for (int i = 0; i < NOUT; i++) { union { float f; uint32_t u; } u; u.f = out[i]; put_hex(u.u); }
  }
  return 0;
}
