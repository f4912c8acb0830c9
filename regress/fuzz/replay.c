/*
 * replay.c
 *	  Runs a fuzzer's entry over files, without a fuzzer: what the corpus holds
 *	  must go on holding with any compiler.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_MAX ((size_t) 1 << 20)

/* The input is at the end of an allocation of its own size, so that a sanitizer sees a read beyond it. */
static int
replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *buffer = malloc(FILE_MAX);
	uint8_t *data;
	size_t size;

	if (file == NULL || buffer == NULL)
	{
		perror(path);
		return 1;
	}
	size = fread(buffer, 1, FILE_MAX, file);
	fclose(file);
	data = realloc(buffer, size > 0 ? size : 1);
	if (data == NULL)
		data = buffer;
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
	{
		if (replay(argv[i]) != 0)
			return 1;
	}
	printf("%d inputs\n", argc - 1);
	return argc > 1 ? 0 : 1;
}
