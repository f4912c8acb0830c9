/*
 * pace.c
 *	  How fast nodes answer; see pace.h.
 */
#include "blocks/pace.h"

#include "utils/timestamp.h"

#define RECENT 32
#define RECENT_MIN 8 /* fewer do not tell what is usual */
#define PATIENCE_FACTOR 4
#define PATIENCE_US_MIN INT64CONST(10000)
#define PATIENCE_US_MAX INT64CONST(1000000)
#define PATIENCE_US_UNKNOWN INT64CONST(100000)
#define DISTRUST_US INT64CONST(5000000)
#define NODE_SIZE 256 /* longer urls are not remembered */

typedef struct Slow
{
	char node[NODE_SIZE];
	TimestampTz until;
} Slow;

static int64 recent[RECENT];
static uint64 noted = 0;
static int64 patience = PATIENCE_US_UNKNOWN;
static Slow slow[POCKET_DISTRUSTED_MAX];

static int
by_length(const void *a, const void *b)
{
	int64 x = *(const int64 *) a;
	int64 y = *(const int64 *) b;

	return (x > y) - (x < y);
}

/* What is usual is looked at anew each time the ring is half new. */
void
pocket_pace_note(int64 us)
{
	int64 sorted[RECENT];
	int count;

	recent[noted++ % RECENT] = us;
	if (noted % (RECENT / 2) != 0 && noted != RECENT_MIN)
		return;
	count = (int) Min(noted, RECENT);
	memcpy(sorted, recent, sizeof(int64) * count);
	qsort(sorted, count, sizeof(int64), by_length);
	patience = Min(Max(sorted[count / 2] * PATIENCE_FACTOR, PATIENCE_US_MIN), PATIENCE_US_MAX);
}

int64
pocket_pace_patience_us(void)
{
	return patience;
}

void
pocket_pace_distrust(const char *node)
{
	Slow *entry = &slow[0];

	if (strlen(node) >= NODE_SIZE)
		return;
	for (int i = 0; i < POCKET_DISTRUSTED_MAX; i++)
	{
		if (strcmp(slow[i].node, node) == 0)
		{
			entry = &slow[i];
			break;
		}
		if (slow[i].until < entry->until)
			entry = &slow[i];
	}
	strlcpy(entry->node, node, NODE_SIZE);
	entry->until = GetCurrentTimestamp() + DISTRUST_US;
}

int
pocket_pace_list(const char *nodes[POCKET_DISTRUSTED_MAX])
{
	TimestampTz now = 0;
	int count = 0;

	for (int i = 0; i < POCKET_DISTRUSTED_MAX; i++)
	{
		if (slow[i].until == 0)
			continue;
		if (now == 0)
			now = GetCurrentTimestamp();
		if (slow[i].until > now)
			nodes[count++] = slow[i].node;
		else
			slow[i].until = 0;
	}
	return count;
}

bool
pocket_pace_distrusted(const char *node)
{
	const char *nodes[POCKET_DISTRUSTED_MAX];
	int count = pocket_pace_list(nodes);

	for (int i = 0; i < count; i++)
	{
		if (strcmp(nodes[i], node) == 0)
			return true;
	}
	return false;
}
