-- Returns account: the name of each that ever had keys here.
SELECT account FROM tidesync_qstash.account ORDER BY account;
