/* Says which keyword a second of sound holds. The model knows nothing of the board, and needs nothing of it. */
#include "kws.h"
#include "sample.h"

void semi_puts(const char *text);

/* The model's memory: ours to place, here in .bss. */
static uint8_t workspace[KWS_WORKSPACE_BYTES] __attribute__((aligned(64)));

static const char *const words[12] = {"down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "silence", "unknown"};

int main(void) {
    float scores[12];
    const int status = kws_run(sample, scores, workspace);
    if (status != ONNXC_STATUS_OK) {
        semi_puts(kws_status_text(status));
        return 1;
    }
    int best = 0;
    for (int i = 1; i < 12; i++) {
        if (scores[i] > scores[best]) {
            best = i;
        }
    }
    semi_puts("heard: ");
    semi_puts(words[best]);
    semi_puts("\n");
    return best == EXPECTED ? 0 : 1;
}
