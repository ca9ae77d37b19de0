# Part of the installation: writes into ${made} what depends on where it goes, or is compressed.
# @hardening@ is in both services what hardening.conf says, so that it is said once and `systemctl cat` shows all of it.
file(READ ${source}/systemd/hardening.conf hardening)
foreach(unit tidesync.service tidesync-ensure@.service)
    configure_file(${source}/systemd/${unit}.in ${made}/${unit} @ONLY)
endforeach()
configure_file(${source}/tidesync.1 ${made}/tidesync.1 COPYONLY)
execute_process(COMMAND gzip -9nkf ${made}/tidesync.1 COMMAND_ERROR_IS_FATAL ANY)
