/*
 * pk_error.h
 *	  The errors that both programs agree on.
 *
 * Every fallible function of the contract and of the sidecar returns PK_OK or
 * one of these negative codes.  The table in pk_error.c gives each code its
 * wire name (JSON "code"), its SQLSTATE and its HTTP status, so that an error
 * means the same wherever it is met.
 */
#ifndef PK_ERROR_H
#define PK_ERROR_H

typedef enum pk_error
{
	PK_OK = 0,
	/* what users meet; class PK of SQLSTATE */
	PK_ERR_CONFLICT = -1,	   /* PK001: the file changed since base */
	PK_ERR_BLOCK_NEEDED = -2,  /* PK002: a block list names a block that the namespace does not hold */
	PK_ERR_QUOTA = -3,		   /* PK003: the namespace's quota would be exceeded */
	PK_ERR_BLOCK_LOST = -4,	   /* PK004: no replica and no decoding yields the block */
	PK_ERR_STALE_EPOCH = -5,   /* PK005: the order comes from an epoch that was superseded */
	PK_ERR_BUCKET_CLOSED = -6, /* PK006: the bucket takes no more blocks */
	PK_ERR_NO_PLACE = -7,	   /* PK007: not enough healthy drives for the promised protection */
	PK_ERR_FOREIGN = -8,	   /* PK008: the drive or node belongs to another cell */
	/* standard conditions */
	PK_ERR_MALFORMED = -20,	  /* 22P03, 400: bytes that do not decode */
	PK_ERR_DENIED = -21,	  /* 42501, 403: token, signature or method not accepted */
	PK_ERR_NOT_FOUND = -22,	  /* 42704, 404: no such object here */
	PK_ERR_TOO_LARGE = -23,	  /* 54000, 413: a named limit is exceeded */
	PK_ERR_CORRUPT = -24,	  /* XX001, 500: a checksum or an authentication tag does not match */
	PK_ERR_DISK_FULL = -25,	  /* 53100, 507: no space on a drive */
	PK_ERR_IO = -26,		  /* 58030, 500: read, write or fsync failed */
	PK_ERR_NO_KEY = -27,	  /* 28000, 500: the key that this was made with is not in the key file */
	PK_ERR_UNSUPPORTED = -28, /* 0A000, 501: not built */
	PK_ERR_NO_MEMORY = -29,	  /* 53200, 503 */
	PK_ERR_UNAVAILABLE = -30, /* 08006, 503: a peer or sidecar does not answer, or stops */
	PK_ERR_BUSY = -31,		  /* 53400, 503: a queue is full */
	PK_ERR_STATE = -32,		  /* 55000, 409: the object is not in a state that allows this */
	PK_ERR_INTERNAL = -33	  /* XX000, 500: a bug */
} pk_error;

typedef struct pk_error_info
{
	pk_error code;
	const char *name; /* "block_lost": stable, on the wire */
	char sqlstate[6];
	int http_status;
	const char *message; /* a short sentence start, lower case, no full stop */
} pk_error_info;

/* The entry of a code; an unknown code gets PK_ERR_INTERNAL's. Never NULL. */
extern const pk_error_info *pk_error_lookup(int code);

/* The code of a wire name; PK_ERR_INTERNAL when unknown. */
extern pk_error pk_error_by_name(const char *name);

#if defined(__GNUC__)
#define PK_MUST_CHECK __attribute__((warn_unused_result))
#else
#define PK_MUST_CHECK
#endif

#endif
