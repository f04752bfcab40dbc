/* Minimal Cortex-M start-up with semihosting (own work, no CMSIS). */
#include <stdint.h>
#include <stddef.h>
extern uint32_t __stack_top, __data_start, __data_end, __data_load, __bss_start, __bss_end;
int main(void);
static inline int semi(int op, const void *arg) {
  register int r0 __asm__("r0") = op;
  register const void *r1 __asm__("r1") = arg;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}
void semi_puts(const char *s) { semi(0x04, s); }               /* SYS_WRITE0 */
void semi_exit(int code) {                                      /* SYS_EXIT_EXTENDED */
  uint32_t a[2] = {0x20026u, (uint32_t)code};
  semi(0x20, a);
  for (;;) ;
}
__attribute__((noreturn)) static void fault(void) {
  semi_puts("FAULT\n");
  semi_exit(99);
  for (;;) ;
}
__attribute__((noreturn, used)) void reset_c(void) {
  *(volatile uint32_t *)0xE000ED88u |= 0xF00000u;              /* CPACR: CP10+CP11 (FPU/MVE) */
  __asm__ volatile("dsb\n isb");
  uint32_t *s = &__data_load, *d = &__data_start;
  while (d < &__data_end) *d++ = *s++;
  for (d = &__bss_start; d < &__bss_end;) *d++ = 0;
  semi_exit(main());
  for (;;) ;
}
__attribute__((naked, noreturn)) void Reset_Handler(void) { __asm__ volatile("b reset_c"); }
__attribute__((section(".vectors"), used)) const void *const vectors[16] = {
  &__stack_top, Reset_Handler, fault, fault, fault, fault, fault, 0,
  0, 0, 0, fault, fault, 0, fault, fault};

