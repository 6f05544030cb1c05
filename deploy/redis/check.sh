# Healthy is a Redis that has loaded its data and answers.
REDISCLI_AUTH=$(cat /run/holdfast/redis-password)
export REDISCLI_AUTH
[ "$(redis-cli ping)" = PONG ]
