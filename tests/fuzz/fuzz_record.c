// SPDX-License-Identifier: GPL-2.0-or-later
/* record_parse() with any record: the first byte is its type. */
#include <assert.h>

#include "proto/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum record_meaning meaning;
	uint8_t alert;

	if (!size)
		return 0;
	meaning = record_parse(data[0], data + 1, size - 1, &alert);
	switch (meaning) {
	case RECORD_MEANS_END:
		/* Nothing else may end the stream. */
		assert(data[0] == RECORD_ALERT && size == 3 && data[2] == 0);
		break;
	case RECORD_MEANS_ABORT:
		assert(data[0] == RECORD_ALERT && alert == data[2]);
		break;
	case RECORD_MEANS_TICKET:
	case RECORD_MEANS_REKEY:
		assert(data[0] == RECORD_HANDSHAKE);
		break;
	case RECORD_MEANS_VIOLATION:
		assert(alert == RECORD_UNEXPECTED_MESSAGE ||
		       alert == RECORD_ILLEGAL_PARAMETER ||
		       alert == RECORD_DECODE_ERROR);
		break;
	}
	assert(alert == 0 || meaning == RECORD_MEANS_ABORT ||
	       meaning == RECORD_MEANS_VIOLATION);
	assert(*record_alert_name(alert));
	return 0;
}
