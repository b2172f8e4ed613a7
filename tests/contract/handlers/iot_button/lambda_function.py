PRESSES = {"SINGLE": 1, "DOUBLE": 2, "LONG": 0}


def volts(text):
    return int(text.rstrip("mV")) / 1000


def lambda_handler(event, context):
    battery = volts(event["batteryVoltage"])
    return {
        "device": event["serialNumber"].upper(),
        "presses": PRESSES[event["clickType"]],
        "battery": battery,
        "low": battery < 1.2,
    }
