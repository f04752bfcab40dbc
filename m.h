/* Module m, compiled by onnxc 0.1.0.
 * SHA-256 of the model: 2ba2e739723c1a6e83d118cc5079969ffaf37fa7fc9302ecc319f82e56889029
 * Any thread may call with a workspace of its own. Buffers are row-major; inputs, outputs and workspace are aligned to
 * 8 bytes for speed (the size of the largest element is enough).
 * Symbols needed from elsewhere: none; what compilers themselves call (soft float, 64-bit division, memcpy) apart. */
#ifndef ONNXC_M_H
#define ONNXC_M_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef ONNXC_STATUS_OK
#define ONNXC_STATUS_OK 0 /* ok */
#define ONNXC_STATUS_DIMS 1 /* a dim is out of range or contradicts another */
#define ONNXC_STATUS_INDEX 2 /* an index in an input is out of range */
#define ONNXC_STATUS_MEMORY 3 /* out of memory */
#define ONNXC_STATUS_PLAN 4 /* the dims are not those that the plan gave */
#define ONNXC_STATUS_CUSTOM 5 /* a custom operator failed */
#define ONNXC_STATUS_VALUE 6 /* a value is not what an operator takes */
#endif

#ifndef ONNXC_ALLOCATOR
#define ONNXC_ALLOCATOR
/* Memory for tensors of which no size is known in advance: alloc gives bytes aligned to 64, or NULL. */
typedef struct {
    void *(*alloc)(void *context, size_t bytes);
    void (*release)(void *context, void *address);
    void *context;
} onnxc_allocator;
#endif

/* Bytes of workspace that a run needs. */
#define M_WORKSPACE_BYTES 32000

/* Inputs:
 *   input: f32[1, 1, 49, 10]
 */
/* Outputs:
 *   output: f32[1, 12]
 */

int m_run(const float *input, float *output, void *workspace);
const char *m_status_text(int status);

#ifdef __cplusplus
}
#endif

#endif
