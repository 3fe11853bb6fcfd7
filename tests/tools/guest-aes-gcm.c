// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A driver for User-Mode Linux, built into its kernel by scripts/fast-guest:
 * AES-GCM with the CPU's AES-NI or VAES instructions.  User-Mode Linux has only
 * generic C for it.  aes-gcm-part.c is the part about GCM of the kernel's own
 * arch/x86/crypto/aesni-intel_glue.c; this file registers what that defines.
 */
#include <asm/cpufeature.h>
#include <asm/fpu/api.h>
#include <crypto/aes.h>
#include <crypto/b128ops.h>
#include <crypto/gcm.h>
#include <crypto/gf128mul.h>
#include <crypto/internal/aead.h>
#include <crypto/internal/simd.h>
#include <crypto/internal/skcipher.h>
#include <crypto/scatterwalk.h>
#include <linux/module.h>

#include "aes-gcm-part.c"

/* The most that is used: aesni, aesni_avx, vaes_avx2, vaes_avx512. */
static char *max = "vaes_avx512";
module_param(max, charp, 0444);

/* Register an implementation; returns from the caller if it is the last. */
#define REGISTER(name)                                                         \
	do {                                                                   \
		int err = crypto_register_aeads(                               \
			aes_gcm_algs_##name, ARRAY_SIZE(aes_gcm_algs_##name)); \
		if (err || !strcmp(max, #name))                                \
			return err;                                            \
	} while (0)

static int __init guest_aes_gcm_init(void)
{
	if (!boot_cpu_has(X86_FEATURE_AES) ||
	    !boot_cpu_has(X86_FEATURE_PCLMULQDQ))
		return 0;
	REGISTER(aesni);
	if (!boot_cpu_has(X86_FEATURE_AVX))
		return 0;
	REGISTER(aesni_avx);
	if (!boot_cpu_has(X86_FEATURE_AVX2) ||
	    !boot_cpu_has(X86_FEATURE_VAES) ||
	    !boot_cpu_has(X86_FEATURE_VPCLMULQDQ))
		return 0;
	REGISTER(vaes_avx2);
	if (!boot_cpu_has(X86_FEATURE_AVX512BW) ||
	    !boot_cpu_has(X86_FEATURE_AVX512VL) ||
	    !boot_cpu_has(X86_FEATURE_BMI2))
		return 0;
	REGISTER(vaes_avx512);
	return 0;
}
module_init(guest_aes_gcm_init);

MODULE_DESCRIPTION("AES-GCM with AES-NI or VAES for User-Mode Linux");
MODULE_LICENSE("GPL");
