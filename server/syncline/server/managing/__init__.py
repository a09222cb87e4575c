"""DeviceService: devices and the audit log, for people who operate an account."""
