/*
 * path.h
 *	  Type pocket.path: a whole path, with its namespace.  Text form: name:/a/b;
 *	  a namespace's root is name:/.
 *
 * A value holds the stored form of contract/pk_path.h.  The binary form is the
 * text, in UTF-8 whatever the client's encoding is, without a slash at the end
 * that is not a root's.  Names are compared bytewise, as given: which of them a
 * namespace takes for the same is not the type's matter.
 */
#ifndef POCKET_TYPE_PATH_H
#define POCKET_TYPE_PATH_H

#include "base/compat.h"

#include "contract/pk_path.h"

#define DatumGetPocketPath(d) PG_DETOAST_DATUM_PACKED(d)
#define PG_GETARG_POCKET_PATH(n) DatumGetPocketPath(PG_GETARG_DATUM(n))

/* A value with room for a stored form of so many bytes, palloc'd. */
extern struct varlena *pocket_path_make(Size length);

#endif
