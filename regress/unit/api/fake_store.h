/*
 * regress/unit/api/fake_store.h
 *	  What api/peer.c calls of store and volume, for programs that link neither:
 *	  regress/unit/remote tests it with real ones, so nothing here is ever called.
 */
#ifndef TEST_API_FAKE_STORE_H
#define TEST_API_FAKE_STORE_H

#include <stdlib.h>

#include "volume/volume.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* clang-format off */
struct pd_drive *pd_cell_drive(struct pd_cell *cell, const uint8_t uuid[PK_UUID_SIZE]) { abort(); }
pk_error pd_map_fence(struct pd_cell *cell, const struct pd_members *members, struct pd_err *err) { abort(); }
bool pd_cell_learn(struct pd_cell *cell, struct pd_extent *extent) { abort(); }
void pd_cell_forget_report(struct pd_cell *cell, const uint8_t drive[PK_UUID_SIZE], const char *file) { abort(); }

bool pd_drive_readable(struct pd_drive *drive) { abort(); }
const uint8_t *pd_drive_uuid(const struct pd_drive *drive) { abort(); }
struct pd_queue *pd_drive_queue(struct pd_drive *drive) { abort(); }

pk_error pd_extent_lookup(struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position, struct pd_extent **extent, struct pd_err *err) { abort(); }
pk_error pd_extent_lookup_kept(struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position, struct pd_extent **extent, struct pd_err *err) { abort(); }
pk_error pd_extent_create(struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position, const uint8_t cell[PK_UUID_SIZE], const struct pd_members *members, uint64_t capacity, struct pd_extent **extent, struct pd_err *err) { abort(); }
pk_error pd_extent_append(struct pd_extent *extent, struct iovec *iov, int count, uint64_t offset, struct pd_err *err) { abort(); }
pk_error pd_extent_seal_whole(struct pd_extent *extent, uint64_t length, struct pd_err *err) { abort(); }
pk_error pd_extent_set_members(struct pd_extent *extent, const struct pd_members *members, struct pd_err *err) { abort(); }
pk_error pd_extent_read(struct pd_extent *extent, uint64_t offset, void *buf, size_t n, struct pd_err *err) { abort(); }
pk_error pd_extent_read_checked(struct pd_extent *extent, uint64_t offset, void *buf, size_t n, struct pd_err *err) { abort(); }
pk_error pd_extent_remove(struct pd_extent *extent, struct pd_err *err) { abort(); }
void pd_extent_uncache(struct pd_extent *extent) { abort(); }
void pd_extent_info(struct pd_extent *extent, struct pd_extent_info *info) { abort(); }
struct pd_drive *pd_extent_drive(struct pd_extent *extent) { abort(); }
void pd_extent_unref(struct pd_extent *extent) { abort(); }
pk_error pd_extent_build_begin(struct pd_drive *drive, pk_extent_kind kind, uint64_t id, int position, const uint8_t cell[PK_UUID_SIZE], const struct pd_members *members, uint64_t length, struct pd_extent_build **build, struct pd_err *err) { abort(); }
pk_error pd_extent_build_write(struct pd_extent_build *build, const void *buf, size_t n, struct pd_err *err) { abort(); }
pk_error pd_extent_build_spoil(struct pd_extent_build *build, uint64_t offset, uint64_t n, struct pd_err *err) { abort(); }
pk_error pd_extent_build_finish(struct pd_extent_build *build, struct pd_extent **extent, struct pd_err *err) { abort(); }
void pd_extent_build_abandon(struct pd_extent_build *build) { abort(); }
/* clang-format on */

#pragma GCC diagnostic pop

#endif
