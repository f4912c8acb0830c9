/*
 * volume/members.c
 *	  What every list of members must be like, whoever tells it: a slot, an order,
 *	  or the coordinator's map.
 */
#include <inttypes.h>
#include <string.h>

#include "volume/internal.h"

int
pd_members_position(const struct pd_members *members, uint64_t bucket_id)
{
	int data = members->code.kind == PK_CODE_REPLICATED ? members->count : members->code.k;

	for (int i = 0; i < data && i < members->count; i++)
	{
		if (members->member[i].bucket_id == bucket_id)
			return i;
	}
	return -1;
}

uint64_t
pd_members_parity_length(const struct pd_members *members)
{
	uint64_t length = 0;

	for (int i = 0; i < members->code.k; i++)
	{
		if (members->member[i].length > length)
			length = members->member[i].length;
	}
	return (length + PK_RECORD_ALIGN - 1) / PK_RECORD_ALIGN * PK_RECORD_ALIGN;
}

bool
pd_member_virtual(const struct pd_members *members, int position)
{
	return members->code.kind != PK_CODE_REPLICATED && position < members->code.k &&
		   members->member[position].bucket_id == 0;
}

static pk_error
check_member(const struct pd_members *members, int position, struct pd_err *err)
{
	const struct pd_member *member = &members->member[position];
	bool replicated = members->code.kind == PK_CODE_REPLICATED;
	bool data = replicated || position < members->code.k;

	if (member->length > PK_BUCKET_SIZE_MAX)
		return pd_fail(err, PK_ERR_MALFORMED, "member %d of volume %" PRIu64 " is longer than a bucket", position,
					   members->volume_id);
	if (pd_member_virtual(members, position))
		return PK_OK;
	if (pd_uuid_equal(member->drive, pd_uuid_zero))
		return pd_fail(err, PK_ERR_MALFORMED, "member %d of volume %" PRIu64 " has no drive", position,
					   members->volume_id);
	if (data != (member->bucket_id != 0))
		return pd_fail(err, PK_ERR_MALFORMED, "member %d of volume %" PRIu64 " names no bucket, or a parity names one",
					   position, members->volume_id);
	if (replicated && member->bucket_id != members->member[0].bucket_id)
		return pd_fail(err, PK_ERR_MALFORMED, "replicas of volume %" PRIu64 " name different buckets",
					   members->volume_id);
	return PK_OK;
}

pk_error
pd_volume_check(const struct pd_members *members, bool distinct, struct pd_err *err)
{
	bool replicated = members->code.kind == PK_CODE_REPLICATED;

	if (!pk_code_valid(&members->code))
		return pd_fail(err, PK_ERR_UNSUPPORTED, "volume %" PRIu64 " has a code that is not built", members->volume_id);
	if (members->count < 1 || members->count > PK_MEMBERS_MAX || members->volume_id == 0 ||
		(!replicated && members->count != members->code.k + members->code.m))
		return pd_fail(err, PK_ERR_MALFORMED, "volume %" PRIu64 " has %d members, which its code does not",
					   members->volume_id, members->count);
	for (int i = 0; i < members->count; i++)
	{
		pk_error rc = check_member(members, i, err);

		if (rc != PK_OK)
			return rc;
		for (int j = 0; j < i; j++)
		{
			if (distinct && !pd_member_virtual(members, i) &&
				pd_uuid_equal(members->member[i].drive, members->member[j].drive))
				return pd_fail(err, PK_ERR_MALFORMED, "members %d and %d of volume %" PRIu64 " are on one drive", j, i,
							   members->volume_id);
			if (!replicated && members->member[i].bucket_id != 0 &&
				members->member[i].bucket_id == members->member[j].bucket_id)
				return pd_fail(err, PK_ERR_MALFORMED, "bucket %" PRIu64 " is twice in volume %" PRIu64,
							   members->member[i].bucket_id, members->volume_id);
		}
	}
	return PK_OK;
}
