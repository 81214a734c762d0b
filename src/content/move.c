/*
 * move.c
 *	  Work of the tick: messages whose version was superseded go on with the
 *	  one that took its place.
 */
#include "base/compat.h"

#include "content/content_private.h"
#include "gate/gate.h"
#include "miscadmin.h"
#include "tracks/tracks.h"
#include "utils/timestamp.h"

/* A message to move, and whether it was. */
typedef struct Move
{
	int64		message_id;
	bool		moved;			/* out */
} Move;

static void
move_message(int64 lead_id, void *arg)
{
	Move	   *move = arg;

	move->moved = nurture_gate_move_on(lead_id, move->message_id) != NULL;
}

/* Moves messages on, lead by lead. */
static void
run_moves(TimestampTz now, int max_leads, TimestampTz deadline,
		  int64 *done, int64 *left, TimestampTz *oldest)
{
	int64	   *leads = palloc(sizeof(int64) * max_leads);
	int64	   *messages = palloc(sizeof(int64) * max_leads);
	int			n = nurture_gate_moving(now, leads, messages, max_leads);

	for (int i = 0; i < n && (i == 0 || GetCurrentTimestamp() < deadline); i++)
	{
		Move		move = {messages[i], false};

		CHECK_FOR_INTERRUPTS();
		if (nurture_tick_lead("superseded", leads[i], move_message, &move) && move.moved)
			(*done)++;
	}
	*left = n - *done + (n == max_leads ? 1 : 0);
	pfree(leads);
	pfree(messages);
}

static TickWork move_work = {"superseded", run_moves, NULL};

/* Registers the work of the tick. */
void
nurture_content_move_init(void)
{
	nurture_tick_register(&move_work);
}
