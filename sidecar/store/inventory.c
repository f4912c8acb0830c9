/*
 * store/inventory.c
 *	  What an extent holds, told without reading all of it.
 */
#include "store/internal.h"

#define RECORDS_BUDGET (UINT64_C(64) << 20) /* bytes that one call reads */

_Static_assert(RECORDS_BUDGET % PK_RECORD_ALIGN == 0, "a search ends where a record may begin");

pk_error
pd_extent_records(struct pd_extent *extent, uint64_t *at, uint64_t *length,
				  bool (*each)(void *arg, const pk_record *record),
				  bool (*damage)(void *arg, uint64_t offset, uint64_t length, const char *problem), void *arg,
				  struct pd_err *err)
{
	struct pd_source source;
	struct pd_view view;
	pk_error result;

	if (extent->header.kind != PK_EXTENT_BUCKET)
		return pd_fail(err, PK_ERR_STATE, "%s is a parity: it has no records", extent->path);
	result = pd_view_open(extent, &view, err);
	if (result != PK_OK)
		return result;
	*length = view.length;
	if (*at > view.length)
		result = pd_fail(err, PK_ERR_NOT_FOUND, "%s ends at %llu, before %llu", extent->path,
						 (unsigned long long) view.length, (unsigned long long) *at);
	else
		result = pd_source_init(&source, extent->drive->vfs, view.fd, extent->header.id, view.length, err);
	if (result == PK_OK)
	{
		*at = pd_walk_headers(&source, *at, RECORDS_BUDGET, each, damage, arg);
		pd_source_release(&source);
	}
	pd_view_close(extent, &view);
	return result;
}

pk_error
pd_extent_look(struct pd_extent *extent, struct pd_err *err)
{
	struct pd_view view;
	pk_error result = pd_view_open(extent, &view, err);

	if (result == PK_OK)
		pd_view_close(extent, &view);
	return result;
}
