// SPDX-License-Identifier: GPL-2.0-or-later
/* rec_parse() with any record: the first byte is its type. */
#include <assert.h>

#include "proto/rec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum rec_meaning meaning;
	uint8_t alert;

	if (!size)
		return 0;
	meaning = rec_parse(data[0], data + 1, size - 1, &alert);
	switch (meaning) {
	case REC_MEANS_END:
		/* Nothing else may end a stream. */
		assert(data[0] == REC_ALERT && size == 3 && data[2] == 0);
		break;
	case REC_MEANS_ABORT:
		assert(data[0] == REC_ALERT && alert == data[2]);
		break;
	case REC_MEANS_TICKET:
	case REC_MEANS_REKEY:
		assert(data[0] == REC_HANDSHAKE);
		break;
	case REC_MEANS_VIOLATION:
		assert(alert == REC_UNEXPECTED_MESSAGE ||
		       alert == REC_ILLEGAL_PARAMETER ||
		       alert == REC_DECODE_ERROR);
		break;
	}
	assert(alert == 0 || meaning == REC_MEANS_ABORT ||
	       meaning == REC_MEANS_VIOLATION);
	assert(*rec_alert_name(alert));
	return 0;
}
