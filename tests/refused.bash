# explorer (temporary)
