// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * record_parse() with any record: the first byte is its type.  Then the same in
 * two pieces, which must end in the same state if it is tickets.
 */
#include <assert.h>

#include "proto/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record_message m = { 0 }, pieces = { 0 };
	enum record_meaning meaning;
	size_t half = size / 2;
	uint8_t alert;

	if (!size)
		return 0;
	meaning = record_parse(&m, data[0], data + 1, size - 1, &alert);
	switch (meaning) {
	case RECORD_MEANS_END:
		/* Nothing else may end the stream. */
		assert(data[0] == RECORD_ALERT && size == 3 && data[2] == 0);
		break;
	case RECORD_MEANS_ABORT:
		assert(data[0] == RECORD_ALERT && alert == data[2]);
		break;
	case RECORD_MEANS_TICKET:
	case RECORD_MEANS_KEY_UPDATE:
	case RECORD_MEANS_KEY_UPDATE_BOTH:
	case RECORD_MEANS_RENEGOTIATION:
		assert(data[0] == RECORD_HANDSHAKE);
		break;
	case RECORD_MEANS_VIOLATION:
		assert(alert == RECORD_UNEXPECTED_MESSAGE ||
		       alert == RECORD_ILLEGAL_PARAMETER ||
		       alert == RECORD_DECODE_ERROR);
		break;
	}
	assert(alert == 0 || meaning == RECORD_MEANS_ABORT ||
	       meaning == RECORD_MEANS_RENEGOTIATION ||
	       meaning == RECORD_MEANS_VIOLATION);
	assert(*record_alert_name(alert));
	if (meaning != RECORD_MEANS_TICKET || half < 2)
		return 0;
	meaning = record_parse(&pieces, data[0], data + 1, half - 1, &alert);
	assert(meaning == RECORD_MEANS_TICKET);
	meaning = record_parse(&pieces, data[0], data + half, size - half,
			       &alert);
	assert(meaning == RECORD_MEANS_TICKET && pieces.have == m.have &&
	       pieces.left == m.left);
	return 0;
}
