/*
 * pk_limits.h
 *	  Every limit that both programs hold to.  Sizes are bytes.
 */
#ifndef PK_LIMITS_H
#define PK_LIMITS_H

#define PK_BLOCK_SIZE_MAX (4 * 1024 * 1024) /* a block's plain bytes; files are cut at multiples of it */
#define PK_BLOCK_SIZE_MIN 1					/* an empty file has no block */

#define PK_NAME_SIZE_MAX 255   /* bytes of UTF-8 in one name */
#define PK_PATH_SIZE_MAX 16384 /* bytes of a whole path, with its namespace */
#define PK_PATH_DEPTH_MAX 512  /* names in a path that is given; moving folders can make a tree deeper */

#define PK_ACL_ENTRIES_MAX 1000	 /* principals in an ACL */
#define PK_ACL_NAME_MAX 255		 /* bytes of UTF-8 in a principal's name */
#define PK_CURSOR_ITEMS_MAX 1000 /* namespaces in a cursor */

#define PK_BUCKET_SIZE_MAX (UINT64_C(16) << 30)
#define PK_BUCKET_SIZE_MIN (UINT64_C(64) << 10)

#define PK_MEMBERS_MAX 32 /* k + m, or replicas */
#define PK_CODE_TEXT 24	  /* "rs(14,4)" and a NUL, with room */

#define PK_KEYS_MAX 16 /* keys in a key file */
#define PK_KEY_SIZE 32 /* bytes of one secret */

#define PK_PEER_SIZE_MAX (16 * 1024 * 1024)	  /* bytes that one request of a node to another brings or asks for */
#define PK_ORDER_SIZE_MAX (1024 * 1024)		  /* body of one order */
#define PK_ANSWER_SIZE_MAX (16 * 1024 * 1024) /* JSON answer of one order */
#define PK_LIST_MAX 256						  /* extents in one answer to the order list */
#define PK_RECORDS_MAX 4096					  /* records and damages in one answer to the order records */
#define PK_WATCH_MAX 64						  /* blocks in one order watch */
#define PK_COPY_MAX 256						  /* blocks in one order copy */

#endif
