console.log('Loading function');

exports.handler = function (event, context, callback) {
  const alarms = event.Records.map((record) => JSON.parse(record.Sns.Message));
  setTimeout(() => {
    const lines = alarms.map((alarm) => `${alarm.AlarmName}: ${alarm.OldStateValue} -> ${alarm.NewStateValue}`);
    callback(null, { subject: event.Records[0].Sns.Subject, lines });
  }, 1);
};
