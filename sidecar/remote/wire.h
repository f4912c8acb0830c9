/*
 * remote/wire.h
 *	  What one node asks another, as FORMAT.md has it: paths and bytes. Shared by
 *	  the node that asks (this room) and the one that is asked (api/peer.c).
 */
#ifndef PD_REMOTE_WIRE_H
#define PD_REMOTE_WIRE_H

#include "store/remote.h"

enum pd_peer_verb
{
	PD_PEER_FIND,
	PD_PEER_KEPT,
	PD_PEER_READ,
	PD_PEER_CHECKED,
	PD_PEER_CREATE,
	PD_PEER_APPEND,
	PD_PEER_SEAL,
	PD_PEER_MEMBERS,
	PD_PEER_REMOVE,
	PD_PEER_BUILD,
	PD_PEER_WRITE,
	PD_PEER_SPOIL,
	PD_PEER_FINISH,
	PD_PEER_ABANDON,
	PD_PEER_VERBS
};

#define PD_PEER_PATH "/peer/"
#define PD_PEER_PATH_MAX 256 /* bytes of a path, with its NUL */
#define PD_PEER_NUMBERS 3

struct pd_peer_call
{
	enum pd_peer_verb verb;
	uint8_t drive[PK_UUID_SIZE];
	struct pd_extent_name name;
	uint64_t number[PD_PEER_NUMBERS]; /* as many as the verb has, in the order of FORMAT.md */
};

/* "GET" or "POST". */
extern const char *pd_peer_method(enum pd_peer_verb verb);

extern void pd_peer_path_format(char out[PD_PEER_PATH_MAX], const struct pd_peer_call *call);
/* False unless the path is just what the format gives. */
extern bool pd_peer_path_parse(struct pd_peer_call *call, const char *path);

#define PD_PEER_CRC 4 /* bytes that follow an answer of bytes */
#define PD_PEER_INFO_HEAD 48
#define PD_PEER_INFO_MAX (PD_PEER_INFO_HEAD + PD_MEMBERS_SIZE_MAX)

/* Returns the bytes used. file is not sent: the rest tells it. */
extern size_t pd_peer_info_encode(uint8_t out[PD_PEER_INFO_MAX], const struct pd_extent_info *info);
extern bool pd_peer_info_decode(struct pd_extent_info *info, const uint8_t *in, size_t n);

#endif
