/*
 * crypt/thread.h
 *	  The contexts of OpenSSL and zstd that a thread uses again; private to this room.
 */
#ifndef PD_CRYPT_THREAD_H
#define PD_CRYPT_THREAD_H

#include <openssl/evp.h>
#include <zstd.h>

struct pd_crypt_thread
{
	EVP_CIPHER_CTX *aead; /* AES-256-GCM, without a key */
	ZSTD_CCtx *compress;
	ZSTD_DCtx *decompress;
};

/* The calling thread's, freed when it ends; NULL when out of memory. */
extern struct pd_crypt_thread *pd_crypt_thread(void);

/* A context of the caller's own, for EVP_CIPHER_CTX_free; NULL when out of memory. */
extern EVP_CIPHER_CTX *pd_crypt_new_aead(void);

#endif
