/*
 * fuzz_record.c
 *	  Input: a record's header. It is read as it is, then with the CRC that makes
 *	  it whole, at the place that it names; what is accepted encodes to the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "contract/pk_limits.h"
#include "contract/pk_record.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t header[PK_RECORD_HEADER], again[PK_RECORD_HEADER];
	uint64_t bucket_id, offset;
	pk_record record;

	if (size < sizeof(header))
		return 0;
	memcpy(header, data, sizeof(header));
	bucket_id = pk_get_u64(header + 8);
	offset = pk_get_u64(header + 16);
	if (pk_record_decode(&record, header, bucket_id + 1, offset) == PK_OK)
		abort();
	pk_put_u32(header + 124, pk_crc32c(0, header, 124));
	if (pk_record_decode(&record, header, bucket_id, offset) != PK_OK)
		return 0;
	if (record.length > PK_BLOCK_SIZE_MAX || record.payload_length > PK_BLOCK_SIZE_MAX ||
		record.offset + pk_record_size(record.payload_length) > PK_BUCKET_SIZE_MAX)
		abort();
	pk_record_encode(again, &record);
	if (memcmp(again, header, sizeof(header)) != 0)
		abort();
	return 0;
}
