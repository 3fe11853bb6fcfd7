# SPDX-License-Identifier: GPL-2.0-or-later
# Where files go that other programs look for.

# BKP_WITH_DIR(NAME, WHAT, MODULE, VARIABLE, DIRECTORY)
# --with-NAMEdir=DIR; --without-NAMEdir installs none. With --prefix=/usr the
# default is what pkg-config's MODULE says, so that a distribution gets its own
# place; else, and without MODULE, it is DIRECTORY, so that nothing is written
# outside of the prefix.
AC_DEFUN([BKP_WITH_DIR], [
	AC_ARG_WITH([$1dir],
		[AS_HELP_STRING([--with-$1dir=DIR], [where to install $2])],
		[], [with_$1dir=yes])
	AS_CASE([$with_$1dir],
		[no], [$1dir=],
		[yes], [$1dir=
			AS_IF([test "x$prefix" = x/usr && test -n "$3"],
				[$1dir=$($PKG_CONFIG --variable=$4 $3 2>/dev/null)])
			AS_IF([test -z "$$1dir"], [$1dir='$5'])],
		[$1dir=$with_$1dir])
	AC_SUBST([$1dir])
])

AC_DEFUN([BKP_WITH_DIRS], [
	BKP_WITH_DIR([systemdunit], [units of systemd],
		[systemd], [systemdsystemunitdir], [${prefix}/lib/systemd/system])
	BKP_WITH_DIR([sysusers], [the system user, for systemd-sysusers],
		[systemd], [sysusersdir], [${prefix}/lib/sysusers.d])
	BKP_WITH_DIR([tmpfiles], [directories, for systemd-tmpfiles],
		[systemd], [tmpfilesdir], [${prefix}/lib/tmpfiles.d])
	BKP_WITH_DIR([modulesload], [kernel modules to load at boot],
		[systemd], [modulesloaddir], [${prefix}/lib/modules-load.d])
	BKP_WITH_DIR([bashcompletion], [completion for bash], [bash-completion],
		[completionsdir], [${datarootdir}/bash-completion/completions])
	BKP_WITH_DIR([zshcompletion], [completion for zsh],
		[], [], [${datarootdir}/zsh/site-functions])
	BKP_WITH_DIR([fishcompletion], [completion for fish], [fish],
		[completionsdir], [${datarootdir}/fish/vendor_completions.d])
	BKP_WITH_DIR([firewalld], [the service for firewalld],
		[], [], [${prefix}/lib/firewalld/services])
	BKP_WITH_DIR([ufw], [the application profile for ufw],
		[], [], [${sysconfdir}/ufw/applications.d])
])
