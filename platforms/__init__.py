"""Every commerce backend the gateway can speak to, one folder each, behind one interface."""
