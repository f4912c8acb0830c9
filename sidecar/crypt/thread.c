/*
 * crypt/thread.c
 *	  Making these contexts costs more than sealing a small block: a zstd one
 *	  touches a megabyte of fresh pages.
 */
#include <pthread.h>
#include <stdlib.h>

#include "crypt/thread.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_key;
static EVP_CIPHER *cipher; /* lives as long as the process */
static int usable;

static void
thread_free(void *arg)
{
	struct pd_crypt_thread *thread = arg;

	EVP_CIPHER_CTX_free(thread->aead); /* wipes the last key's schedule */
	ZSTD_freeCCtx(thread->compress);
	ZSTD_freeDCtx(thread->decompress);
	free(thread);
}

static void
thread_setup(void)
{
	cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	usable = cipher != NULL && pthread_key_create(&thread_key, thread_free) == 0;
}

EVP_CIPHER_CTX *
pd_crypt_new_aead(void)
{
	EVP_CIPHER_CTX *aead;

	if (pthread_once(&once, thread_setup) != 0 || !usable)
		return NULL;
	aead = EVP_CIPHER_CTX_new();
	if (aead != NULL && EVP_EncryptInit_ex2(aead, cipher, NULL, NULL, NULL) != 1)
	{
		EVP_CIPHER_CTX_free(aead);
		return NULL;
	}
	return aead;
}

struct pd_crypt_thread *
pd_crypt_thread(void)
{
	struct pd_crypt_thread *thread;

	if (pthread_once(&once, thread_setup) != 0 || !usable)
		return NULL;
	thread = pthread_getspecific(thread_key);
	if (thread != NULL)
		return thread;

	thread = calloc(1, sizeof(*thread));
	if (thread == NULL)
		return NULL;
	thread->aead = pd_crypt_new_aead();
	thread->compress = ZSTD_createCCtx();
	thread->decompress = ZSTD_createDCtx();
	if (thread->aead == NULL || thread->compress == NULL || thread->decompress == NULL ||
		pthread_setspecific(thread_key, thread) != 0)
	{
		thread_free(thread);
		return NULL;
	}
	return thread;
}
