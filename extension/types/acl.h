/*
 * acl.h
 *	  Type pocket.acl: principals and their rights.  Text form:
 *	  {alice=rwd,group:eng=r}, or !{...} when what stands above does not count.
 *
 * A value holds the bytes of contract/pk_acl.h, which are its binary form too;
 * names are UTF-8 whatever the client's encoding is.
 */
#ifndef POCKET_TYPE_ACL_H
#define POCKET_TYPE_ACL_H

#include "base/compat.h"

#include "contract/pk_acl.h"

#define DatumGetPocketAcl(d) PG_DETOAST_DATUM_PACKED(d)
#define PG_GETARG_POCKET_ACL(n) DatumGetPocketAcl(PG_GETARG_DATUM(n))

/* The list of a value, palloc'd; it points into the value. */
extern pk_acl *pocket_acl_unpack(struct varlena *packed);

/* The value of a list, palloc'd. */
extern struct varlena *pocket_acl_pack(const pk_acl *acl);

#endif
