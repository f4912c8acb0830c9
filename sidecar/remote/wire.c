/*
 * remote/wire.c
 *	  Paths and bytes of FORMAT.md.
 */
#include "remote/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct
{
	const char *name;
	const char *method;
	int numbers;
} verbs[PD_PEER_VERBS] = {
	[PD_PEER_FIND] = {"find", "GET", 0},	  [PD_PEER_KEPT] = {"kept", "GET", 0},
	[PD_PEER_READ] = {"read", "GET", 2},	  [PD_PEER_CHECKED] = {"checked", "GET", 2},
	[PD_PEER_CREATE] = {"create", "POST", 1}, [PD_PEER_APPEND] = {"append", "POST", 1},
	[PD_PEER_SEAL] = {"seal", "POST", 1},	  [PD_PEER_MEMBERS] = {"members", "POST", 0},
	[PD_PEER_REMOVE] = {"remove", "POST", 0}, [PD_PEER_BUILD] = {"build", "POST", 1},
	[PD_PEER_WRITE] = {"write", "POST", 2},	  [PD_PEER_SPOIL] = {"spoil", "POST", 3},
	[PD_PEER_FINISH] = {"finish", "POST", 1}, [PD_PEER_ABANDON] = {"abandon", "POST", 1},
};

const char *
pd_peer_method(enum pd_peer_verb verb)
{
	return verbs[verb].method;
}

void
pd_peer_path_format(char out[PD_PEER_PATH_MAX], const struct pd_peer_call *call)
{
	char drive[PK_UUID_TEXT + 1];
	char file[PK_EXTENT_FILE];
	int n;

	pk_uuid_encode(drive, call->drive);
	pk_extent_file(file, call->name.kind, call->name.id, call->name.position);
	n = snprintf(out, PD_PEER_PATH_MAX, PD_PEER_PATH "%s/%s/%s", verbs[call->verb].name, drive, strrchr(file, '/') + 1);
	for (int i = 0; i < verbs[call->verb].numbers; i++)
		n += snprintf(out + n, (size_t) (PD_PEER_PATH_MAX - n), "/%" PRIu64, call->number[i]);
}

static bool
parse_verb(struct pd_peer_call *call, const char *text)
{
	for (int i = 0; i < PD_PEER_VERBS; i++)
	{
		if (strcmp(text, verbs[i].name) == 0)
		{
			call->verb = (enum pd_peer_verb) i;
			return true;
		}
	}
	return false;
}

/* Only takes apart: whether it was written as it must be is seen by writing it again. */
bool
pd_peer_path_parse(struct pd_peer_call *call, const char *path)
{
	char copy[PD_PEER_PATH_MAX], again[PD_PEER_PATH_MAX];
	char *rest = copy + strlen(PD_PEER_PATH);
	char *part[3];

	memset(call, 0, sizeof(*call));
	if (strlen(path) >= sizeof(copy) || strncmp(path, PD_PEER_PATH, strlen(PD_PEER_PATH)) != 0)
		return false;
	memcpy(copy, path, strlen(path) + 1);
	for (int i = 0; i < 3; i++)
	{
		part[i] = strsep(&rest, "/");
		if (part[i] == NULL)
			return false;
	}
	if (!parse_verb(call, part[0]) || !pk_uuid_decode(call->drive, part[1], strlen(part[1])) ||
		!pk_extent_file_parse(part[2], &call->name.kind, &call->name.id, &call->name.position))
		return false;
	for (int i = 0; i < verbs[call->verb].numbers && rest != NULL; i++)
		call->number[i] = strtoull(strsep(&rest, "/"), NULL, 10);
	pd_peer_path_format(again, call);
	return strcmp(again, path) == 0;
}

size_t
pd_peer_info_encode(uint8_t out[PD_PEER_INFO_MAX], const struct pd_extent_info *info)
{
	memset(out, 0, PD_PEER_INFO_HEAD);
	out[0] = (uint8_t) info->kind;
	out[1] = (uint8_t) info->position;
	out[2] = info->sealed;
	out[3] = info->trashed;
	pk_put_u64(out + 8, info->id);
	memcpy(out + 16, info->cell, PK_UUID_SIZE);
	pk_put_u64(out + 32, info->length);
	pk_put_u64(out + 40, info->file_size);
	return PD_PEER_INFO_HEAD + pd_members_encode(out + PD_PEER_INFO_HEAD, &info->members);
}

bool
pd_peer_info_decode(struct pd_extent_info *info, const uint8_t *in, size_t n)
{
	static const uint8_t zeros[4];

	memset(info, 0, sizeof(*info));
	if (n < PD_PEER_INFO_HEAD || in[2] > 1 || in[3] > 1 || memcmp(in + 4, zeros, sizeof(zeros)) != 0)
		return false;
	info->kind = (pk_extent_kind) in[0];
	info->position = in[1];
	info->sealed = in[2] == 1;
	info->trashed = in[3] == 1;
	info->id = pk_get_u64(in + 8);
	memcpy(info->cell, in + 16, PK_UUID_SIZE);
	info->length = pk_get_u64(in + 32);
	info->file_size = pk_get_u64(in + 40);
	return pd_members_decode(&info->members, in + PD_PEER_INFO_HEAD, n - PD_PEER_INFO_HEAD);
}
