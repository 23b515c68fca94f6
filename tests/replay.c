// SPDX-License-Identifier: GPL-2.0-or-later
/* replay FILE...: gives each file to a fuzzing harness once, where libFuzzer is not wanted: to measure coverage. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_MAX 65536 /* bytes; no harness looks at more */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
	uint8_t *data = malloc(INPUT_MAX);

	if (!data)
		return 1;
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");
		size_t size;

		if (!f) {
			perror(argv[i]);
			return 1;
		}
		size = fread(data, 1, INPUT_MAX, f);
		fclose(f);
		LLVMFuzzerTestOneInput(data, size);
	}
	free(data);
	return 0;
}
