/*
 * pk_error.c
 *	  The one table of errors: wire name, SQLSTATE, HTTP status, message.
 *
 * Names are on the wire: they never change and are never used again for
 * something else.
 */
#include "contract/pk_error.h"

#include <stddef.h>
#include <string.h>

/* clang-format off */
static const pk_error_info errors[] = {
	{PK_OK,					"ok",				"00000", 200, "success"},
	{PK_ERR_CONFLICT,		"conflict",			"PK001", 409, "the file was changed by somebody else"},
	{PK_ERR_BLOCK_NEEDED,	"block_needed",		"PK002", 409, "a block of the list is not held by the namespace"},
	{PK_ERR_QUOTA,			"quota",			"PK003", 413, "the quota of the namespace would be exceeded"},
	{PK_ERR_BLOCK_LOST,		"block_lost",		"PK004", 500, "no drive yields the block"},
	{PK_ERR_STALE_EPOCH,	"stale_epoch",		"PK005", 409, "the order comes from a superseded epoch"},
	{PK_ERR_BUCKET_CLOSED,	"bucket_closed",	"PK006", 409, "the bucket takes no more blocks"},
	{PK_ERR_NO_PLACE,		"no_place",			"PK007", 503, "not enough healthy drives"},
	{PK_ERR_FOREIGN,		"foreign",			"PK008", 409, "the drive or node belongs to another cell"},
	{PK_ERR_MALFORMED,		"malformed",		"22P03", 400, "malformed input"},
	{PK_ERR_DENIED,			"denied",			"42501", 403, "access denied"},
	{PK_ERR_NOT_FOUND,		"not_found",		"42704", 404, "not found"},
	{PK_ERR_TOO_LARGE,		"too_large",		"54000", 413, "a limit is exceeded"},
	{PK_ERR_CORRUPT,		"corrupt",			"XX001", 500, "stored bytes do not match their checksum"},
	{PK_ERR_DISK_FULL,		"disk_full",		"53100", 507, "no space left on a drive"},
	{PK_ERR_IO,				"io",				"58030", 500, "reading or writing a drive failed"},
	{PK_ERR_NO_KEY,			"no_key",			"28000", 500, "the key is not in the key file"},
	{PK_ERR_UNSUPPORTED,	"unsupported",		"0A000", 501, "not supported"},
	{PK_ERR_NO_MEMORY,		"no_memory",		"53200", 503, "out of memory"},
	{PK_ERR_UNAVAILABLE,	"unavailable",		"08006", 503, "the sidecar does not answer"},
	{PK_ERR_BUSY,			"busy",				"53400", 503, "a queue is full"},
	{PK_ERR_STATE,			"state",			"55000", 409, "the object is not in a state that allows this"},
	{PK_ERR_INTERNAL,		"internal",			"XX000", 500, "internal error"},
};
/* clang-format on */

#define ERROR_COUNT (sizeof(errors) / sizeof(errors[0]))

const pk_error_info *
pk_error_lookup(int code)
{
	for (size_t i = 0; i < ERROR_COUNT; i++)
	{
		if ((int) errors[i].code == code)
			return &errors[i];
	}
	return &errors[ERROR_COUNT - 1];
}

pk_error
pk_error_by_name(const char *name)
{
	for (size_t i = 0; i < ERROR_COUNT; i++)
	{
		if (strcmp(errors[i].name, name) == 0)
			return errors[i].code;
	}
	return PK_ERR_INTERNAL;
}
