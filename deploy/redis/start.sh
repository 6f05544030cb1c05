# Starts Redis with its password. It stands in a file of this container's memory, because an argument could
# be seen by anyone who lists processes.
set -eu
umask 077
{
  cat /etc/holdfast/redis.conf
  printf 'appendfsync %s\n' "$FSYNC"
  printf 'requirepass %s\n' "$(cat /run/holdfast/redis-password)"
} >/tmp/redis.conf
exec redis-server /tmp/redis.conf
